// Package demo shows the daemon at work in about a minute: a small shop with real traffic and log lines, a deploy tool that takes the
// rollback's webhook, and a pager that shows what it is sent.
//
// The shop (shop.go) answers real requests on loopback and writes one ECS line for each into a file. The tools around it (tools.go) are
// servers on loopback as well. The story (story.go) deploys, waits and tells what it sees through the daemon's own API; it decides
// nothing, and its end depends on nothing but the verdicts.
package demo
