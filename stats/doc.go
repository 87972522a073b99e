// Package stats is the arithmetic behind every judgement and figure: intervals, and tests that may be looked at after every
// sample without their error rate growing.
//
// Two rates are compared by how their events split: given the sum, each event is the first arm's with a probability that the
// null hypothesis bounds ([Split]), whatever the rates themselves are, so that whatever happens to both cancels out; the exact tail
// ([Above], [Below]) says how surprising that is. Windows that end now are looked at again and again ([Widths]), and the error rate is
// divided among them ([Scan]). Counts that come in bursts are weighted down by the [Spread] of the stretch before. Values have a
// [Level] with a scale that single ones do not move; a single series with a long past is held against its own pseudo-changes
// ([Placebo]).
//
// Functions never panic; nothing here knows of deploys or rules.
package stats
