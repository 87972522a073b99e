// Package rules turns what people write into what is judged, and what was seen into findings.
//
// Rules come in as YAML and go out as verifier.Rule, resolved for one deploy: defaults and overrides are in them, and they are
// what a verification keeps. Evidence comes in as a verifier.Case and goes out as one verifier.Finding ([Judge]); findings are
// put together by [Verdict]; [Recovered] looks at plain values once more before a rollback is sent.
//
// Judging is a pure fold over the samples, the same in the daemon, in a replay and in a test: no clock, no memory between calls.
// It is made of
//
//   - a limit, which fails the moment it is crossed and passes at the end;
//   - a comparison, which fails as soon as the deployed version is surely worse than each baseline that exists by more than is
//     tolerated. A constant number of windows that end with the newest step is looked at: events by exact tails, values by their
//     means, a single series with a long past by what it did at pseudo-changes. The chance of a false alarm over the whole watch is
//     one minus the rule's confidence at most, however often one looks, as long as the baseline is like what it stands for. It passes
//     early, from the middle of the watch on, once it is surely inside the tolerance; at the end it passes if nothing speaks
//     for worse and a clear change would have been seen; else it could not tell;
//   - silence: nothing where there was something, while peers or other evidence show that requests go on.
//
// Missing, partial, late and impossible data never pass anything: they are pending while the watch runs and inconclusive at its
// end. A failure that the samples show stays one.
package rules
