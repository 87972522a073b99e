//go:build !linux

package main

import "runtime/debug"

// giveBack lets go of the heap that only the start needed.
func giveBack() { debug.FreeOSMemory() }
