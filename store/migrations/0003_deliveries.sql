-- +goose Up
-- What became of a delivery, and why it is no deploy.
ALTER TABLE deliveries ADD COLUMN outcome TEXT NOT NULL DEFAULT 'recorded';
ALTER TABLE deliveries ADD COLUMN problem TEXT NOT NULL DEFAULT '';
CREATE INDEX deliveries_outcome ON deliveries (outcome, received_at);
