// Package stats is the arithmetic behind every judgement and figure: intervals, and tests that may be looked at after every
// sample without their error rate growing.
//
// Two rates are compared by how their events split: given the sum, each event is the first arm's with a probability that the
// null hypothesis bounds ([Split]), whatever the rates themselves are. Arms that are seen at the same time are bet on step by
// step ([Bet]), so that whatever happens to both cancels out; the evidence is a martingale under the null, and by Ville's
// inequality it ever reaches 1/a with probability a at most. A baseline that was seen beforehand is one fixed sample: there the
// exact tail ([Above], [Below]) is looked at again and again, and the error rate is spent on the looks ([Looks]).
// Counts that come in bursts are weighted down by the [Dispersion] of the baseline.
//
// Functions keep no state and never panic; nothing here knows of deploys or rules.
package stats
