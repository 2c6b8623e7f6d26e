-- Work that makes good for other work, credentials that sign, and credentials bound to a client's certificate.

-- The operation this one makes good for; null for work a requester asked for. It may be forgotten before this one.
ALTER TABLE operations ADD COLUMN about INTEGER;

-- Work a requester asked for, which is nearly all there is, costs nothing here.
CREATE INDEX operations_by_about ON operations (about) WHERE about IS NOT NULL;

-- What the holder signs with, encrypted under the key beside the data; null where the secret itself is presented.
ALTER TABLE credentials ADD COLUMN sealed BLOB;

-- SHA-256 of the client certificate it works with; null where any connection will do.
ALTER TABLE credentials ADD COLUMN certificate BLOB;
