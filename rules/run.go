package rules

import (
	"time"

	"verifier"
)

// run is what a limit with `for` looks at: the newest windows that together stand for so long. The limit is crossed where the mildest
// of them is.
type run struct {
	limit verifier.Limit
	list  []held
	first int           // of the newest that are long enough
	long  time.Duration // of all from first on
	mild  []int         // candidates for the mildest, each milder than those after it
}

// held is a window and how long it stands for.
type held struct {
	window
	long time.Duration
}

func (r run) anew() run { return run{limit: r.limit} }

// take takes the next window and gives the mildest of the newest that stand for as long as the limit says; nil where they do not yet.
func (r *run) take(w window, long time.Duration) *window {
	r.list = append(r.list, held{w, long})
	r.long += long
	for n := len(r.mild) - 1; n >= 0 && !nearer(r.limit, w.value, r.list[r.mild[n]].value); n-- {
		r.mild = r.mild[:n]
	}
	r.mild = append(r.mild, len(r.list)-1)
	for r.first < len(r.list)-1 && r.long-r.list[r.first].long >= r.limit.For {
		r.long -= r.list[r.first].long
		r.first++
	}
	for r.mild[0] < r.first {
		r.mild = r.mild[1:]
	}
	if r.long < r.limit.For {
		return nil
	}
	return &r.list[r.mild[0]].window
}
