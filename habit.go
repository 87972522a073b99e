package verifier

import "time"

// Habit is how one sender of deploy events sends them.
type Habit struct {
	Tool    string // the hook's name, or api
	Sender  string // of api: the token's name
	Count   int
	Last    time.Time
	Longest time.Duration // between two deliveries
}

// Name is how people know the sender.
func (h Habit) Name() string {
	if h.Tool == "api" && h.Sender != "" {
		return h.Sender
	}
	return h.Tool
}

const (
	habitOf      = 10        // fewer deliveries are no habit
	quietAtLeast = time.Hour // no silence is noticed sooner
)

// Quiet reports whether the sender is silent for more than twice as long as it ever was.
func (h Habit) Quiet(now time.Time) bool {
	return h.Count >= habitOf && now.Sub(h.Last) > max(2*h.Longest, quietAtLeast)
}

// FoundID begins the ids of deliveries that no sender sent: they were found in a tool's own list.
const FoundID = "found/"
