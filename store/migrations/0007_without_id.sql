-- +goose Up
-- Deploys that nobody named: where there are several for one version, they may be the hosts of one deploy.
CREATE INDEX deploys_without_id ON deploys (at) WHERE body LIKE '%"without_id":true%';
