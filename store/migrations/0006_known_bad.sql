-- +goose Up
-- The guard's reason condemned is known_bad now.
UPDATE verifications SET body = REPLACE(REPLACE(REPLACE(body, '"guard":"condemned"', '"guard":"known_bad"'), '["condemned"', '["known_bad"'), ',"condemned"', ',"known_bad"')
WHERE rollback <> '' AND body LIKE '%"condemned"%';
