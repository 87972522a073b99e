// Package alerting tells people: who hears of what, and each thing once.
//
// Receivers, routes and time intervals are Alertmanager's own configuration, read by its own packages, and its notifiers do the
// sending; alertmanager.go (configuration), channel.go (sending) and source.go (where a problem stands) are all that know them. What is told is an incident; who is told is one action for each
// receiver and integration (route.go). When an action runs it sends the incident as it is then, and remembers what it sent, so that a
// late retry never opens again what was resolved, and a retry goes only where sending failed (perform.go). The texts of all channels
// are in templates.go. Every HTTP request carries an Idempotency-Key: the action's key, a slash, and the incident's revision.
package alerting
