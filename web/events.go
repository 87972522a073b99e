package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"verifier"
)

const keepAlive = 15 * time.Second

// events streams the whole verification at each change of its revision, until nothing more is to come.
func (s *server) events(w http.ResponseWriter, r *http.Request) {
	changed, stop := s.record.Subscribe()
	defer stop()
	v, err := s.record.Verification(r.Context(), r.PathValue("id"))
	if err != nil {
		Problem(w, r, err)
		return
	}
	out := http.NewResponseController(w)
	out.SetWriteDeadline(time.Time{}) // only servers with one care
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	tick := time.NewTicker(keepAlive)
	defer tick.Stop()
	last := int64(-1)
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
		if v, err = s.record.Verification(r.Context(), v.ID); err != nil {
			return
		}
	}
}

func write(w http.ResponseWriter, v verifier.Verification) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "id: %d\nevent: verification\ndata: %s\n\n", v.Revision, text)
	return err
}

// over reports whether nothing more is to come.
func over(v verifier.Verification) bool {
	return v.Ended != nil && (v.Rollback == nil || !v.Rollback.State.Open())
}
