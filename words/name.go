package words

import (
	"fmt"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Nearest is the known name that a mistyped one most likely stands for, by the edits between them without case; empty where none is
// near, or where the name itself is known.
func Nearest(name string, known []string) string {
	lower := strings.ToLower(name)
	best, distance := "", max(2, len(name)/3)+1
	for _, k := range known {
		if k == name {
			return ""
		}
		if d := levenshtein.ComputeDistance(lower, strings.ToLower(k)); d < distance {
			best, distance = k, d
		}
	}
	return best
}

// DidYouMean is what follows the error about an unknown name: `; did you mean "production"?`, or nothing where no known name is near.
func DidYouMean(name string, known []string) string {
	if best := Nearest(name, known); best != "" {
		return fmt.Sprintf("; did you mean %q?", best)
	}
	return ""
}

// List joins names for a sentence: a, b and c. Past most it says how many are left out: a, b and 3 more.
func List(names []string, most int) string {
	if n := len(names); n > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", n-most)
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
