-- The installation file is part of a snapshot; null in those that were kept before it was.
ALTER TABLE policy ADD COLUMN installation_name TEXT;
ALTER TABLE policy ADD COLUMN installation BLOB;
