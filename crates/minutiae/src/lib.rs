//! Fingerprint images to templates: synthesis, extraction, quality, codecs, matching.
