-- +goose Up
-- What is held against each rule: the few deploys that were condemned, undone or marked bad.
CREATE INDEX deploys_words ON deploys (day, at) WHERE live = 1 AND (state = 'failed' OR reverted = 1 OR facets LIKE '%"Marked":"bad"%');
