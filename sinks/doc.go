// Package sinks writes what the daemon knows to where people look already: one file for each place. Nothing is decided here.
package sinks
