package web

import (
	"net/http"
	"slices"

	"verifier"
)

// hooksView is one page of what deploy tools sent, without the bodies, which may hold secrets.
type hooksView struct {
	List     []verifier.Delivery
	Asked    verifier.DeliveryFilter
	Outcomes []verifier.DeliveryOutcome
	Next     string // link to the older ones
}

// hooksPage lists deliveries, without an outcome all.
func (s *server) hooksPage(r *http.Request) (title string, _ any, _ error) {
	q := queryOf(r, "limit", "after", "tool", "outcome")
	outcomes := append(slices.Clone(verifier.Unresolved), verifier.Ignored, verifier.Recorded)
	f := verifier.DeliveryFilter{Page: q.page(), Tool: q.text("tool"), Outcome: oneOf(q, "outcome", outcomes...)}
	if err := q.err(); err != nil {
		return "", nil, err
	}
	list, next, err := s.record.Deliveries(r.Context(), f)
	return "Hooks", hooksView{list, f, outcomes, older(r.URL, next)}, err
}
