-- +goose Up
-- Patterns of log messages that people know, and that are never new.
CREATE TABLE noise (
    id   TEXT PRIMARY KEY,
    body TEXT NOT NULL
);
