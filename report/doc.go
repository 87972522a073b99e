// Package report makes a month's report of the deploys to production: how many there were, how many of them went back to an older
// version, how surely that rate is known, how fast trouble was noticed and ended, and how much was watched at all.
//
// The store counts deploys into tallies and takes timings; [Make] adds them up; [Report] writes itself as text, Markdown, CSV,
// JSON or HTML. Nothing here asks, keeps or waits: the same tallies make the same report, in any order.
//
// The rollback rate is rollbacks over succeeded releases in production environments. Rollbacks and redeploys are deploys too;
// failed deploys changed nothing live and are counted apart, as are those that a person took out of the record (void).
package report
