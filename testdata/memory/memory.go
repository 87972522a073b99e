//go:build !linux

// Package memory keeps the files of tests in memory, on Linux.
package memory

// ForTemp does nothing here.
func ForTemp() {}
