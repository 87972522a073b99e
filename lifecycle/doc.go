// Package lifecycle carries a verification from the deploy event to its end.
//
// What decides is pure. [World.Step] takes what is known of one place (a verifier.Scene), one event (a deploy arrived, evidence
// was judged, a time is over, a person spoke, a rollback call was answered) and the time, and returns everything that is to be
// written: the new state, incidents, and the actions that touch the outside world. The store reads the scene and writes the
// effects in one transaction, so that a crash loses nothing between a verdict and what follows from it, and of two deciders at
// once one is told of the other. [Guards] is the part of it that stands before every rollback. [Replay] runs the same code over
// recorded evidence with simulated time.
//
// What acts is the [Runner]: it claims verifications and actions that are due, asks the sources for the steps that are missing,
// judges, and saves. A wake that changes nothing but the evidence is saved without a scene; a wake that changes the state goes
// through Step. Order between places is not promised; within a place revisions make it one after the other. Actions are done at
// least once, with a key that stays the same.
package lifecycle
