// Package record decides what the record of deploys says: what facts about one deploy add up to, which version is older, what
// was live when, what a release turned out to be, and which version is good to go back to.
//
// Facts come from intake in any order. [Join] adds one to what is known of its deploy; [State] folds the deploys of one place in
// the order of their own times and derives kind and previous version, so the store rewrites only what comes after the deploy that
// arrived. [LastGood], [Condemned] and [Crossed] read a place's history, newest first, for rules and guards.
//
// Everything here is pure and keeps nothing. The same facts and deploys give the same record whatever the order they arrive in;
// ties are broken by value or by id, never by arrival.
package record
