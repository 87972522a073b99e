-- +goose Up
-- Places whose kinds and previous versions are to be derived once more, since versions are ordered by another rule than when they were
-- written. The column version of their deploys is brought to verifier.VersionKey with that.
CREATE TABLE stale_places (place TEXT PRIMARY KEY);
INSERT INTO stale_places (place) SELECT DISTINCT place FROM deploys;
