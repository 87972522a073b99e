package web

import (
	"net/http"
	"net/url"

	"verifier"
)

// orderView is what a person is asked before an order goes out.
type orderView struct {
	verifier.Verification
	Verb       verifier.Verb
	Candidates []string
}

func (s *server) orderPage(verb verifier.Verb) func(*http.Request) (string, any, error) {
	return func(r *http.Request) (title string, _ any, _ error) {
		v, err := s.record.Verification(r.Context(), r.PathValue("id"))
		out := orderView{Verification: v, Verb: verb}
		if v.Rollback != nil && (verb == verifier.Approve || verb == verifier.RollBack) {
			out.Candidates = v.Rollback.Candidates
		}
		return string(verb) + ": " + v.Deploy.Service + " " + v.Deploy.Version + " in " + v.Deploy.Where(), out, err
	}
}

// verbsFor are the buttons that make sense now.
func verbsFor(v verifier.Verification) []verifier.Verb {
	var state verifier.RollbackState
	if v.Rollback != nil {
		state = v.Rollback.State
	}
	var verbs []verifier.Verb
	waits := state == verifier.RollbackProposed || state == verifier.RollbackApproved
	if state == verifier.RollbackProposed {
		verbs = append(verbs, verifier.Approve)
	}
	if waits {
		verbs = append(verbs, verifier.Deny)
	}
	if v.State.Watching() || waits {
		verbs = append(verbs, verifier.Cancel)
	}
	d := v.Deploy
	if d.Change == verifier.Release && d.Kind != verifier.KindRollback && !waits && !state.Open() && state != verifier.RollbackRecovered {
		verbs = append(verbs, verifier.RollBack)
	}
	if v.State == verifier.FailedState && (v.Mark == nil || !v.Mark.Good) {
		verbs = append(verbs, verifier.Dismiss)
	}
	return verbs
}

// press reads a form, does what it says, and shows the page after it.
func (s *server) press(w http.ResponseWriter, r *http.Request, next string, do func() error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	err := r.ParseForm()
	if err != nil {
		err = &refusal{http.StatusBadRequest, "the form could not be read"}
	} else {
		err = do()
	}
	if err != nil {
		s.problemPage(w, r, err)
		return
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

func (s *server) pressed(verb verifier.Verb) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id := r.PathValue("id")
		s.press(w, r, "/verifications/"+url.PathEscape(id), func() error {
			body := orderBody{r.PostForm.Get("reason"), r.PostForm.Get("to")}
			err := body.check()
			if err == nil {
				_, err = s.Order(r.Context(), id, s.orderOf(r, verb, body))
			}
			return err
		})
	}
}

func (s *server) pressedMark(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	s.press(w, r, "/deploys/"+url.PathEscape(id), func() error {
		cause, good := r.PostForm.Get("cause"), r.PostForm.Get("good")
		if good != "true" && good != "false" {
			return verifier.Invalid("good", "is missing; write true or false")
		}
		if problem := textProblem(cause); problem != "" {
			return verifier.Invalid("cause", "%s", problem)
		}
		return s.record.MarkDeploy(r.Context(), id, verifier.Mark{Good: good == "true", Cause: cause, By: verifier.CallerFrom(r.Context()).Name, At: s.Now().UTC()})
	})
}

func (s *server) pressedHold(w http.ResponseWriter, r *http.Request) {
	s.press(w, r, "/holds", func() error {
		f := r.PostForm
		until, err := s.until(f.Get("for"))
		if err != nil {
			return err
		}
		stops := f["stops"]
		mute := len(stops) == 1 && stops[0] == verifier.StopsAlert
		return s.hold(r, &verifier.Hold{
			Reason: f.Get("reason"), Until: until, Stops: stops, Services: splitList(f.Get("services")),
			Environments: splitList(f.Get("environments")), Teams: splitList(f.Get("teams")),
		}, mute)
	})
}

func (s *server) pressedEnd(w http.ResponseWriter, r *http.Request) {
	s.press(w, r, "/holds", func() error {
		return s.record.EndHold(r.Context(), r.PathValue("id"), verifier.CallerFrom(r.Context()).Name, s.Now())
	})
}
