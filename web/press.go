package web

import (
	"net/http"
	"net/url"

	"verifier"
)

// orderView is what a person is asked before an order goes out.
type orderView struct {
	verifier.Verification
	Press      verifier.Press
	Candidates []string
	Refused    bool // it would be, now
}

// orderPage asks once more before an order goes out. One that would be refused now is explained instead.
func (s *server) orderPage(verb verifier.Verb) func(*http.Request) (string, any, error) {
	return func(r *http.Request) (title string, _ any, err error) {
		out := orderView{Press: verifier.Press{Verb: verb, Text: says[verb]}, Refused: true}
		if out.Verification, err = s.record.Verification(r.Context(), r.PathValue("id")); err != nil {
			return "", nil, err
		}
		allowed, err := s.presses(r, out.Verification)
		if err != nil {
			return "", nil, err
		}
		for _, p := range allowed {
			if p.Verb == verb {
				out.Press, out.Refused = p, false
			}
		}
		if out.Rollback != nil && (verb == verifier.Approve || verb == verifier.RollBack) {
			out.Candidates = out.Rollback.Candidates
		}
		return out.Press.Text + ": " + out.Deploy.Service + " " + out.Deploy.Version + " in " + out.Deploy.Where(), out, nil
	}
}

// says are the words of what cannot be pressed now.
var says = map[verifier.Verb]string{
	verifier.Approve: "Approve the rollback", verifier.Deny: "Deny the rollback", verifier.Cancel: "Stop the rollback", verifier.RollBack: "Roll back now",
	verifier.Dismiss: "Dismiss the verdict",
}

// presses are what the caller may do with the verification now; whoever may only look, nothing.
func (s *server) presses(r *http.Request, v verifier.Verification) ([]verifier.Press, error) {
	scopes := verifier.CallerFrom(r.Context()).Scopes
	if s.Presses == nil || !has(scopes, verifier.ScopeOperate) {
		return nil, nil
	}
	return s.Presses(r.Context(), v, has(scopes, verifier.ScopeAdmin))
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
