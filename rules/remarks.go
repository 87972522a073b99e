package rules

import (
	"verifier"
	"verifier/words"
)

// remarks are what a reader must know of the data beside what was judged, each a sentence with a blank before it: values that the query
// asks for and that never occur, and lines of a log that could not be read.
func (v view) remarks() string {
	deployed := v.c.Arms[verifier.ArmDeployed]
	text := ""
	if deployed.Absent != "" && v.count == 0 {
		text += " " + capital(deployed.Absent) + "."
	}
	if deployed.Skipped > 0 {
		text += " " + words.Count(deployed.Skipped, "line") + " skipped: " + deployed.Lines + "."
	}
	return text
}
