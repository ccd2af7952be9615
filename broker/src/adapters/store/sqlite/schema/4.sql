-- When an operator took a key out of use before its time; null for all others.
ALTER TABLE signing_key ADD COLUMN retired_at INTEGER;
