package lifecycle

import (
	"context"
	"fmt"
	"sync"
	"time"

	"verifier"
)

// Look is what a source says to one rule's question now, without any judgement.
type Look struct {
	Rule   verifier.Rule
	From   time.Time
	To     time.Time
	Answer verifier.Answer
}

// maxLook is how far back a look goes at most.
const maxLook = 30 * time.Minute

// Look asks each rule's real question about the last stretch before now, as a watch over the deploy would.
func (w World) Look(ctx context.Context, d verifier.Deploy, list []verifier.Rule, sources Backends, now time.Time) []Look {
	out := make([]Look, len(list))
	var group sync.WaitGroup
	for i, r := range list {
		if r.Measure.Results != "" { // posted, and of no source
			out[i] = Look{Rule: r}
			continue
		}
		source, known := sources[r.Measure.Source]
		if !known {
			out[i] = Look{Rule: r, Answer: verifier.Answer{Err: fmt.Errorf("source %q is not configured", r.Measure.Source)}}
			continue
		}
		to := floor(now.Add(-source.Lag()), r.Every)
		from := floor(to.Add(-min(maxLook, max(overOf(r), r.Every))), r.Every)
		subject := subjectOf(d, w.Catalogue.Service(d.Place, d.Team), r.Measure.Source)
		out[i] = Look{Rule: r, From: from, To: to}
		group.Go(func() { out[i].Answer = source.Ask(ctx, []verifier.Question{question(r, subject, from, to)})[0] })
	}
	group.Wait()
	return out
}
