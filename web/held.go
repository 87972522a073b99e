package web

import (
	"context"
	"slices"
	"strings"
	"time"

	"verifier"
	"verifier/words"
)

// HoldText is a hold in one sentence: what it stops, where, by whom, since and until when, and why.
func HoldText(h verifier.Hold, now time.Time, zone *time.Location) string {
	text := stopped(h.Stops) + covered(h) + " by " + h.By
	if h.File != "" && h.By != "the hold file" {
		text += " (hold file " + h.File + ")"
	} else if h.File != "" {
		text += " " + h.File
	}
	if !h.At.IsZero() {
		text += " since " + words.Time(h.At, now, zone)
	}
	if h.Until != nil {
		text += ", until " + words.Time(*h.Until, now, zone)
	}
	return text + ": " + h.Reason
}

func stopped(stops []string) string {
	names := map[string]string{verifier.StopsRollback: "rollbacks", verifier.StopsGate: "gates", verifier.StopsAlert: "alerts"}
	var what []string
	for _, s := range stops {
		what = append(what, names[s])
	}
	verb := " are held"
	if slices.Equal(stops, []string{verifier.StopsAlert}) {
		verb = " are muted"
	}
	text := words.List(what, len(what)) + verb
	return strings.ToUpper(text[:1]) + text[1:]
}

func covered(h verifier.Hold) string {
	const most = 5
	if h.Everywhere() {
		return " everywhere"
	}
	text := ""
	if len(h.Services) > 0 {
		text += " for " + words.List(h.Services, most)
	}
	if len(h.Environments) > 0 {
		text += " in " + words.List(h.Environments, most)
	}
	if len(h.Teams) > 0 {
		team := " of team "
		if len(h.Teams) > 1 {
			team = " of teams "
		}
		text += team + words.List(h.Teams, most)
	}
	return text
}

// Widest orders holds for people: those over everything first, mutes last, older ones before newer ones.
func Widest(holds []verifier.Hold) []verifier.Hold {
	rank := func(h verifier.Hold) (n int) {
		if !h.Everywhere() {
			n++
		}
		if slices.Equal(h.Stops, []string{verifier.StopsAlert}) {
			n += 2
		}
		return n
	}
	out := slices.Clone(holds)
	slices.SortStableFunc(out, func(a, b verifier.Hold) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return a.At.Compare(b.At)
	})
	return out
}

// mostHeld is how many holds stand on top of a page.
const mostHeld = 4

// banner is what stands on top of every page for those who are known: what is wrong with the files, and what is held.
func (s *server) banner(ctx context.Context) (lines []string) {
	if text := s.Banner(); text != "" {
		lines = append(lines, text)
	}
	holds, err := s.record.Holds(ctx, s.Now(), false)
	if err != nil {
		s.Log.Error("cannot read the holds", "err", err)
		return append(lines, "The holds cannot be read; the server's log says why.")
	}
	holds = Widest(holds)
	for i, h := range holds {
		if i == mostHeld {
			return append(lines, words.Count(len(holds)-mostHeld, "more hold")+" in force.")
		}
		lines = append(lines, HoldText(h, s.Now(), s.Zone))
	}
	return lines
}
