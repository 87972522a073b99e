package web

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"verifier"
)

// mostNoise is how long a known pattern may be, in bytes: as long as templates are.
const mostNoise = 4000

func (s *server) noise(w http.ResponseWriter, r *http.Request) {
	q := queryOf(r, "limit", "after")
	after := q.text("after") // the last id, as with holds
	q.values.Del("after")
	size := q.page().Size()
	if err := q.err(); err != nil {
		Problem(w, r, err)
		return
	}
	every, err := s.record.Noise(r.Context())
	every = slices.DeleteFunc(every, func(n verifier.Noise) bool { return n.ID <= after })
	next := ""
	if len(every) > size {
		every = every[:size]
		next = every[size-1].ID
	}
	listed(w, r, every, next, err)
}

func (s *server) postNoise(w http.ResponseWriter, r *http.Request) {
	var n verifier.Noise
	err := read(w, r, &n)
	if err == nil {
		err = s.putNoise(r, &n)
	}
	if err != nil {
		Problem(w, r, err)
		return
	}
	answer(w, http.StatusCreated, n)
}

// putNoise checks and keeps one. Its id is made of what it says, so that one that is added twice is there once.
func (s *server) putNoise(r *http.Request, n *verifier.Noise) error {
	if err := checkNoise(*n); err != nil {
		return err
	}
	n.Pattern, n.Services = s.Template(n.Pattern), orEmpty(n.Services)
	if strings.Trim(n.Pattern, verifier.AnyWord+" ") == "" {
		return verifier.Invalid("pattern", "%q is all messages of so many words; write at least one word of it", n.Pattern)
	}
	slices.Sort(n.Services)
	sum := sha256.Sum256([]byte(n.Pattern + "\n" + strings.Join(n.Services, "\n")))
	n.ID, n.At, n.By = fmt.Sprintf("noise-%x", sum[:4]), s.Now().UTC(), verifier.CallerFrom(r.Context()).Name
	return s.record.PutNoise(r.Context(), *n)
}

func checkNoise(n verifier.Noise) error {
	var bad []verifier.FieldError
	wrong := func(field, format string, args ...any) {
		bad = append(bad, verifier.FieldError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
	if strings.TrimSpace(n.Pattern) == "" {
		wrong("pattern", "is missing; write a pattern that a finding shows, or a whole message")
	} else if problem := textProblem(n.Pattern); problem != "" {
		wrong("pattern", "%s", problem)
	} else if len(n.Pattern) > mostNoise {
		wrong("pattern", "has %d bytes; at most %d are taken", len(n.Pattern), mostNoise)
	}
	if strings.TrimSpace(n.Reason) == "" {
		wrong("reason", "is missing; say why, for those who look for the message")
	} else if problem := textProblem(n.Reason); problem != "" {
		wrong("reason", "%s", problem)
	}
	for i, glob := range n.Services {
		if problem := globProblem(glob); problem != "" {
			wrong(fmt.Sprintf("services[%d]", i), "%s", problem)
		}
	}
	return invalid(bad)
}

func (s *server) removeNoise(w http.ResponseWriter, r *http.Request) {
	if err := s.record.RemoveNoise(r.Context(), r.PathValue("id"), verifier.CallerFrom(r.Context()).Name, s.Now()); err != nil {
		Problem(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *server) noisePage(r *http.Request) (title string, _ any, _ error) {
	list, err := s.record.Noise(r.Context())
	return "Known noise", list, err
}

// pressedNoise goes back to the verification whose finding showed the pattern.
func (s *server) pressedNoise(w http.ResponseWriter, r *http.Request) {
	next := "/noise"
	if id := r.PathValue("id"); id != "" {
		next = "/verifications/" + url.PathEscape(id)
	}
	s.press(w, r, next, func() error {
		f := r.PostForm
		return s.putNoise(r, &verifier.Noise{Pattern: f.Get("pattern"), Reason: f.Get("reason"), Services: splitList(f.Get("services"))})
	})
}

func (s *server) pressedRemove(w http.ResponseWriter, r *http.Request) {
	s.press(w, r, "/noise", func() error {
		return s.record.RemoveNoise(r.Context(), r.PathValue("id"), verifier.CallerFrom(r.Context()).Name, s.Now())
	})
}
