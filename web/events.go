package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"verifier"
)

const keepAlive = 15 * time.Second

// events streams the whole verification at each change of its revision, until nothing more is to come. Who has the revision that it
// names in Last-Event-ID is sent the next one; who has the last one is told not to come again (204).
func (s *server) events(w http.ResponseWriter, r *http.Request) {
	changed, stop := s.record.Subscribe()
	defer stop()
	v, err := s.record.Verification(r.Context(), r.PathValue("id"))
	last, badID := lastEvent(r)
	if err == nil {
		err = badID
	}
	if err != nil {
		Problem(w, r, err)
		return
	}
	if over(v) && v.Revision == last {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	if err := unlimited(w); err != nil {
		s.Log.Error("cannot stream", "err", err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if r.Method == http.MethodHead {
		return
	}
	s.stream(w, r, v, last, changed)
}

func (s *server) stream(w http.ResponseWriter, r *http.Request, v verifier.Verification, last int64, changed <-chan struct{}) {
	out := http.NewResponseController(w)
	if out.Flush() != nil { // the asker sees at once that it is heard
		return
	}
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	for {
		if v.Revision != last {
			if write(w, v) != nil || out.Flush() != nil {
				return
			}
			last = v.Revision
		}
		if over(v) {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
			fmt.Fprint(w, ": still here\n\n")
			if out.Flush() != nil {
				return
			}
		case <-changed:
		}
		var err error
		if v, err = s.record.Verification(r.Context(), v.ID); err != nil {
			return
		}
	}
}

// lastEvent is the revision that the asker has seen; -1 for none.
func lastEvent(r *http.Request) (int64, error) {
	text := r.Header.Get("Last-Event-ID")
	if text == "" {
		return -1, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, verifier.Invalid("Last-Event-ID", "%.40q is no revision; write the id of the last event", text)
	}
	return n, nil
}

func write(w http.ResponseWriter, v verifier.Verification) error {
	text, err := json.Marshal(whole(v))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "id: %d\nevent: verification\ndata: %s\n\n", v.Revision, text)
	return err
}

// over reports whether nothing more is to come.
func over(v verifier.Verification) bool {
	return v.Ended != nil && (v.Rollback == nil || v.Rollback.Over())
}
