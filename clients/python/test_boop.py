"""Both sides of BOOP with an ordinary client library, against two demos.

`Vendor` follows the vendor's documentation against a demo with its simulated scanner, which
presents a registered palm shortly after a context opens. `Scanner` is the scanner itself, so it
needs a demo started with `--without-devices`.

A vendor has one socket and so has a scanner: the tests run one after the other.

By hand: start the two demos with `--ready-file`, name the files in TILLGATE_READY and
TILLGATE_READY_WITHOUT_DEVICES, then run `python -m unittest` in this folder.
"""

import time
import unittest
import uuid
from datetime import datetime, timedelta, timezone

from peer import Peer, ready

NOBODY = "pvs_of_nobody"
CONTEXT_LIFE = 30.0
TOO_MUCH = 2**53 - 1


class Boop(unittest.IsolatedAsyncioTestCase):
    """What both sides share: a vendor that is logged in, and the shapes of its messages."""

    where: dict

    async def connect(self):
        return await Peer.open(self, self.where["url"])

    async def authenticate(self, vendor, key=None):
        login = {"vendor_id": self.where["vendor_id"], "api_key": key or self.where["api_key"]}
        await vendor.send({"type": "authenticate", **login})

    async def vendor(self):
        vendor = await self.connect()
        await self.authenticate(vendor)
        await vendor.expect("authenticated")
        return vendor

    async def create(self, vendor, **requirements):
        """Sends a context and returns its id."""
        context_id = str(uuid.uuid4())
        message = {"type": "create_context", "context_id": context_id, "requirements": requirements}
        await vendor.send(message)
        return context_id

    def assert_success(self, message, context_id, attributes=()):
        self.assertEqual(message["type"], "auth_result", message)
        self.assertEqual(message["context_id"], context_id, message)
        result = message["result"]
        self.assertIs(result["success"], True, message)
        self.assertIsInstance(result["user_id"], str, message)
        self.assertTrue(result["user_id"], message)
        self.assertEqual(sorted(result.get("attributes", {})), sorted(attributes), message)

    def assert_failure(self, message, context_id, code=None, error=None):
        self.assertEqual(message["type"], "auth_result", message)
        self.assertEqual(message["context_id"], context_id, message)
        result = message["result"]
        self.assertIs(result["success"], False, message)
        self.assertNotIn("user_id", result, message)
        self.assertFalse(result.get("attributes"), message)
        self.assertNotIn("transaction_id", result, message)
        if code is not None:
            self.assertEqual(result.get("code"), code, message)
        if error is not None:
            self.assertEqual(result["error"]["code"], error, message)
            self.assertIsInstance(result["error"]["message"], str, message)

    def assert_error(self, message, code, context_id=None):
        self.assertEqual(message["type"], "error", message)
        self.assertEqual(message["code"], code, message)
        self.assertIsInstance(message["error"], str, message)
        self.assertEqual(message["message"], message["error"], message)
        self.assertEqual(message.get("context_id"), context_id, message)
        self.assertEqual(message["details"].get("context_id"), context_id, message)
        self.assertIsInstance(message["details"]["retry_allowed"], bool, message)
        datetime.fromisoformat(message["details"]["timestamp"])


class Vendor(Boop):
    """The vendor's documented flow; a simulated palm answers."""

    @classmethod
    def setUpClass(cls):
        cls.where = ready("TILLGATE_READY", "boop")

    async def test_a_payment_of_25_00_gets_the_user_an_email_and_a_transaction(self):
        vendor = await self.connect()
        await self.authenticate(vendor)
        authenticated = await vendor.expect("authenticated")
        self.assertEqual(authenticated["vendor_id"], self.where["vendor_id"])
        context_id = await self.create(vendor, type="payment", amount=2500, attributes=["email"])
        message = await vendor.next()
        self.assert_success(message, context_id, ["email"])
        self.assertRegex(message["result"]["attributes"]["email"], r"^[^@\s]+@[^@\s]+$")
        self.assertIsInstance(message["result"]["transaction_id"], str)
        self.assertTrue(message["result"]["transaction_id"])
        await vendor.quiet()

    async def test_contexts_sent_before_the_login_is_answered_are_answered_in_order(self):
        vendor = await self.connect()
        await self.authenticate(vendor)
        first = await self.create(vendor, type="entrance", attributes=["email"])
        second = await self.create(vendor, type="membership")
        await vendor.expect("authenticated")
        entrance = await vendor.next()
        self.assert_success(entrance, first, ["email"])
        membership = await vendor.next()
        self.assert_success(membership, second)
        self.assertEqual(membership["result"]["user_id"], entrance["result"]["user_id"])
        await vendor.quiet()

    async def test_a_ping_is_answered(self):
        vendor = await self.vendor()
        await vendor.alive()

    async def test_a_wrong_key_is_refused_in_the_documented_words(self):
        vendor = await self.connect()
        await self.authenticate(vendor, key="sk_test_of_somebody_else")
        refusal = await vendor.next()
        self.assert_error(refusal, "INVALID_CREDENTIALS")
        self.assertEqual(refusal["error"], "Authentication failed")
        await vendor.closed_with(4401)

    async def test_a_context_before_the_login_is_refused_and_the_socket_stays(self):
        vendor = await self.connect()
        await self.create(vendor, type="entrance")
        refusal = await vendor.expect("error")
        self.assertEqual(refusal["code"], "AUTH_REQUIRED")
        await self.authenticate(vendor)
        await vendor.expect("authenticated")
        await vendor.quiet()

    async def test_malformed_json_is_refused_and_the_socket_stays(self):
        vendor = await self.vendor()
        await vendor.send_text("{")
        self.assert_error(await vendor.next(), "INVALID_REQUEST")
        await vendor.alive()

    async def test_the_newest_socket_of_a_vendor_wins(self):
        older = await self.vendor()
        newer = await self.vendor()
        self.assert_error(await older.next(), "CONNECTION_REPLACED")
        await older.closed_with(4409)
        await newer.alive()


class Scanner(Boop):
    """The scanner's side, and what the vendor hears of it."""

    @classmethod
    def setUpClass(cls):
        cls.where = ready("TILLGATE_READY_WITHOUT_DEVICES", "boop")

    async def scanner(self):
        scanner = await Peer.open(self, self.where["scanner_url"])
        login = {"device_id": self.where["scanner_id"], "device_key": self.where["scanner_key"]}
        await scanner.send({"type": "authenticate", **login})
        authenticated = await scanner.expect("authenticated")
        self.assertEqual(authenticated["device_id"], self.where["scanner_id"])
        self.assertEqual(authenticated["vendor_id"], self.where["vendor_id"])
        return scanner

    async def both(self):
        return await self.vendor(), await self.scanner()

    async def opened(self, scanner, context_id):
        message = await scanner.expect("context_open")
        self.assertEqual(message["context_id"], context_id, message)
        return message

    async def scan(self, scanner, context_id, outcome="captured", **more):
        await scanner.send({"type": "scan_result", "context_id": context_id, "outcome": outcome, **more})

    async def present(self, scanner, context_id, user):
        """A palm of this user; None is a palm nobody registered."""
        await self.scan(scanner, context_id, test_user_id=user, palm_side="left", quality=93)

    async def acknowledged(self, scanner, context_id, *statuses):
        """Every scan has one acknowledgement; the context's end may be told on either side of it."""
        message = await scanner.next()
        if message["type"] == "context_closed":
            self.assertEqual(message["context_id"], context_id, message)
            message = await scanner.next()
        self.assertEqual(message["type"], "scan_ack", message)
        self.assertEqual(message["context_id"], context_id, message)
        self.assertIn(message["status"], statuses, message)

    async def late(self, scanner, context_id):
        """A palm presented after the end is acknowledged as late."""
        await self.present(scanner, context_id, self.where["test_user_id"])
        await self.acknowledged(scanner, context_id, "late")

    async def test_a_payment_travels_to_the_scanner_and_its_palm_back_to_the_vendor(self):
        vendor, scanner = await self.both()
        asked = datetime.now(timezone.utc)
        context_id = await self.create(vendor, type="payment", amount=2500, attributes=["email"])
        opened = await self.opened(scanner, context_id)
        self.assertEqual(opened["auth_type"], "payment")
        self.assertIsInstance(opened["vendor_name"], str)
        self.assertEqual(opened["amount"], 2500)
        self.assertEqual(opened["currency"], "USD")
        self.assertEqual(opened["attributes_required"], ["email"])
        self.assertEqual(opened["attributes_optional"], [])
        life = datetime.fromisoformat(opened["expires_at"]) - asked
        self.assertAlmostEqual(life / timedelta(seconds=1), CONTEXT_LIFE, delta=2.0)
        await vendor.quiet()

        await self.present(scanner, context_id, self.where["test_user_id"])
        await self.acknowledged(scanner, context_id, "matched")
        message = await vendor.next()
        self.assert_success(message, context_id, ["email"])
        self.assertIsInstance(message["result"]["transaction_id"], str)

        await self.late(scanner, context_id)
        await vendor.quiet()

    async def test_a_context_opened_before_the_scanner_came_is_offered_when_it_comes(self):
        vendor = await self.vendor()
        context_id = await self.create(vendor, type="entrance")
        await vendor.alive()
        scanner = await self.scanner()
        opened = await self.opened(scanner, context_id)
        self.assertEqual(opened["auth_type"], "entrance")
        await self.present(scanner, context_id, self.where["test_user_id"])
        await self.acknowledged(scanner, context_id, "matched")
        self.assert_success(await vendor.next(), context_id)

    async def test_a_palm_nobody_registered_is_rejected(self):
        vendor, scanner = await self.both()
        context_id = await self.create(vendor, type="entrance", attributes=["email"])
        await self.opened(scanner, context_id)
        await self.present(scanner, context_id, None)
        await self.acknowledged(scanner, context_id, "rejected")
        message = await vendor.next()
        self.assert_failure(message, context_id, "user-not-found", "AUTH_USER_NOT_FOUND")
        await vendor.quiet()

    async def test_a_poor_scan_and_a_faulty_scanner_leave_the_context_open(self):
        vendor, scanner = await self.both()
        context_id = await self.create(vendor, type="membership")
        await self.opened(scanner, context_id)
        await self.scan(scanner, context_id, "poor_quality", palm_side="left", quality=31)
        await self.acknowledged(scanner, context_id, "rescan")
        message = await vendor.next()
        self.assert_error(message, "AUTH_BIOMETRIC_QUALITY", context_id)
        self.assertIs(message["details"]["retry_allowed"], True)
        await self.scan(scanner, context_id, "device_error")
        message = await vendor.next()
        self.assert_error(message, "AUTH_DEVICE_ERROR", context_id)
        self.assertIs(message["details"]["retry_allowed"], True)
        await self.acknowledged(scanner, context_id, "rescan")
        await self.present(scanner, context_id, self.where["test_user_id"])
        await self.acknowledged(scanner, context_id, "matched")
        self.assert_success(await vendor.next(), context_id)
        await vendor.quiet()

    async def test_a_payment_over_the_balance_fails(self):
        vendor, scanner = await self.both()
        context_id = await self.create(vendor, type="payment", amount=TOO_MUCH)
        await self.opened(scanner, context_id)
        await self.present(scanner, context_id, self.where["test_user_id"])
        await self.acknowledged(scanner, context_id, "matched", "rejected")
        message = await vendor.next()
        self.assert_failure(message, context_id, error="AUTH_FAILED")
        self.assertEqual(message["result"]["payment"], "failed")
        self.assertIn("balance", message["result"]["error"]["message"].lower())
        await vendor.quiet()

    async def test_a_required_attribute_the_user_lacks_is_named(self):
        vendor, scanner = await self.both()
        context_id = await self.create(vendor, type="entrance", attributes=["email", "shoe_size"])
        await self.opened(scanner, context_id)
        await self.present(scanner, context_id, self.where["test_user_id"])
        await self.acknowledged(scanner, context_id, "matched", "rejected")
        message = await vendor.next()
        self.assert_failure(message, context_id, "user-missing-attributes", "AUTH_FAILED")
        self.assertEqual(message["result"]["missing_attributes"], ["shoe_size"])
        await vendor.quiet()

    async def test_a_cancelled_context_is_closed_at_the_scanner(self):
        vendor, scanner = await self.both()
        context_id = await self.create(vendor, type="entrance")
        await self.opened(scanner, context_id)
        await vendor.send({"type": "cancel_context", "context_id": context_id})
        self.assert_failure(await vendor.next(), context_id, "cancelled")
        closed = await scanner.expect("context_closed")
        self.assertEqual(closed["context_id"], context_id)
        self.assertEqual(closed["reason"], "cancelled")
        await self.late(scanner, context_id)
        await vendor.quiet()

    async def test_a_context_that_names_a_terminal_goes_to_that_terminal_only(self):
        vendor, scanner = await self.both()
        elsewhere = await self.create(vendor, type="entrance", terminal_id=NOBODY)
        here = await self.create(vendor, type="entrance", terminal_id=self.where["scanner_id"])
        await self.opened(scanner, here)
        await self.present(scanner, here, self.where["test_user_id"])
        await self.acknowledged(scanner, here, "matched")
        self.assert_success(await vendor.next(), here)
        await vendor.send({"type": "cancel_context", "context_id": elsewhere})
        self.assert_failure(await vendor.next(), elsewhere, "cancelled")

    async def test_a_scan_of_a_context_nobody_made_is_late(self):
        vendor, scanner = await self.both()
        await self.late(scanner, str(uuid.uuid4()))
        await vendor.quiet()

    async def test_a_scanner_is_answered_its_pings_and_refused_a_wrong_key(self):
        scanner = await self.scanner()
        await scanner.alive()
        stranger = await Peer.open(self, self.where["scanner_url"])
        login = {"device_id": self.where["scanner_id"], "device_key": "dk_of_somebody_else"}
        await stranger.send({"type": "authenticate", **login})
        refusal = await stranger.expect("error")
        self.assertEqual(refusal["code"], "INVALID_CREDENTIALS")
        await stranger.closed_with(4401)
        await scanner.alive()

    async def test_a_context_expires_after_30_s_and_a_palm_after_that_is_late(self):
        vendor, scanner = await self.both()
        sent = time.monotonic()
        context_id = await self.create(vendor, type="payment", amount=2500)
        await self.opened(scanner, context_id)
        await vendor.quiet(CONTEXT_LIFE / 2)
        await vendor.alive()
        await scanner.alive()
        expired = await vendor.next(CONTEXT_LIFE)
        took = time.monotonic() - sent
        self.assert_error(expired, "AUTH_CONTEXT_EXPIRED", context_id)
        self.assertEqual(expired["error"], "Context expired")
        # Not before its time; the half second after it is the specification's, the rest this machine's.
        self.assertGreaterEqual(took, CONTEXT_LIFE - 0.05)
        self.assertLessEqual(took, CONTEXT_LIFE + 1.5)
        closed = await scanner.expect("context_closed")
        self.assertEqual(closed["context_id"], context_id)
        self.assertEqual(closed["reason"], "expired")
        await self.late(scanner, context_id)
        await vendor.quiet()


if __name__ == "__main__":
    unittest.main()
