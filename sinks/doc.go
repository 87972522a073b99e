// Package sinks writes what the daemon knows to where people look already: one file for each place. Nothing is decided here.
//
// A verdict comes as an action whose payload is the verification as it was then. Performer hands it to the sink that it names, which
// writes it with the action's key, so that what is written twice can be told. Temporary errors are tried again by the action's owner,
// all others end it; neither ever delays a verdict. Everything is safe for use by many goroutines.
package sinks
