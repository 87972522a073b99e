package rollback

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"verifier"
)

// ready asks the minions whether they can render the state with that version; where no sls is named, whether they are there.
func (s *salt) ready(ctx context.Context, c verifier.RollbackCall) (string, error) {
	target, err := s.at(c)
	if err != nil {
		return "", err
	}
	kwarg, err := s.kwarg(c)
	if err != nil {
		return "", err
	}
	function, what := "test.ping", "there"
	more := low{"full_return": true}
	if mods := kwarg["mods"]; mods != nil && strings.HasPrefix(s.function, "state.") {
		function, what = "state.sls_exists", fmt.Sprintf("ready to apply %s with %s", mods, c.To)
		kwarg["concurrent"] = true // it only renders: a state run that goes on is no hindrance
		more["kwarg"] = kwarg
	}
	answers, err := s.ask(ctx, target, function, more)
	if err != nil {
		return "", err
	}
	var able, unable, silent []string
	for _, minion := range slices.Sorted(maps.Keys(answers)) {
		var full struct {
			Ret json.RawMessage `json:"ret"`
		}
		switch {
		case json.Unmarshal(answers[minion], &full) != nil || len(full.Ret) == 0:
			silent = append(silent, minion)
		case string(full.Ret) == "true":
			able = append(able, minion)
		default:
			unable = append(unable, minion)
		}
	}
	switch {
	case len(answers) == 0:
		return "", fmt.Errorf("no minion fits %v; is salt.target right?", target["tgt"])
	case len(unable) > 0:
		return "", fmt.Errorf("%s cannot render %v with %s: see salt %s state.show_sls", few(unable), kwarg["mods"], c.To, unable[0])
	case len(able) == 0:
		return "", fmt.Errorf("no minion answers: %s", few(silent))
	case len(silent) > 0:
		what += "; no answer comes from " + few(silent)
	}
	return few(able) + ": " + what, nil
}

// few names the first of many.
func few(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// saltJob is one that runs on a minion.
type saltJob struct {
	JID    string            `json:"jid"`
	Fun    string            `json:"fun"`
	Arg    []json.RawMessage `json:"arg"`
	User   string            `json:"user"`
	Target any               `json:"tgt"`
}

// String is what it applies and where. Its pillar may hold secrets, and is left out.
func (j saltJob) String() string {
	words := []string{j.Fun}
	for _, arg := range j.Arg {
		var named struct {
			Mods any `json:"mods"`
		}
		switch name := text(arg); {
		case name != "" && !strings.Contains(name, "pillar"):
			words = append(words, name)
		case json.Unmarshal(arg, &named) == nil && named.Mods != nil:
			words = append(words, fmt.Sprint(named.Mods))
		}
	}
	return fmt.Sprintf("%s at %v", strings.Join(words, " "), j.Target)
}

// running are the state runs on these minions, whoever's: a minion does one at a time.
func (s *salt) running(ctx context.Context, c verifier.RollbackCall) ([]task, error) {
	target, err := s.at(c)
	if err != nil {
		return nil, err
	}
	answers, err := s.ask(ctx, target, "saltutil.running", nil)
	if err != nil {
		return nil, err
	}
	jobs := map[string]saltJob{}
	for _, answer := range answers {
		var list []saltJob
		if json.Unmarshal(answer, &list) != nil {
			continue // it does not answer: nothing of it is known
		}
		for _, j := range list {
			if j.Fun == s.function || slices.Contains(saltStates, j.Fun) {
				jobs[j.JID] = j
			}
		}
	}
	var out []task
	for _, jid := range slices.Sorted(maps.Keys(jobs)) {
		j := jobs[jid]
		t := task{ID: jid, By: j.User, Note: j.String(), State: running}
		if id := s.hook + ":" + jid; id == c.Deploy.ID {
			t.Deploy = id
		}
		out = append(out, t)
	}
	return out, nil
}

// saltStates are the functions that change what a minion runs.
var saltStates = []string{"state.apply", "state.sls", "state.highstate", "state.single", "state.sls_id", "state.top", "state.template", "state.high", "state.low"}

// metadata is the key under which a job holds the call's id, by which it is found again.
const metadata = "verifier"

func (s *salt) find(ctx context.Context, c verifier.RollbackCall) (*task, error) {
	var jobs map[string]struct {
		Metadata map[string]any `json:"Metadata"`
		User     string         `json:"User"`
	}
	call := low{"client": "runner", "fun": "jobs.list_jobs", "search_metadata": low{metadata: c.ID}}
	if err := s.run(ctx, call, &jobs); err != nil {
		return nil, err
	}
	for _, jid := range slices.Sorted(maps.Keys(jobs)) {
		if jobs[jid].Metadata[metadata] == c.ID {
			return &task{ID: jid, By: jobs[jid].User, Note: c.To, State: running}, nil
		}
	}
	return nil, nil
}

// start begins the state run, and does not wait for it.
func (s *salt) start(ctx context.Context, c verifier.RollbackCall) (task, error) {
	target, err := s.at(c)
	if err != nil {
		return task{}, beforehand{err}
	}
	kwarg, err := s.kwarg(c)
	if err != nil {
		return task{}, beforehand{err}
	}
	call := low{"client": "local_async", "fun": s.function, "kwarg": kwarg, "metadata": low{metadata: c.ID, "url": c.URL}}
	maps.Copy(call, target)
	var job *struct {
		JID string `json:"jid"`
	}
	if err := s.run(ctx, call, &job); err != nil {
		return task{}, err
	}
	switch {
	case job == nil:
		return task{}, errors.New("salt-api names no job")
	case job.JID == "": // so Salt says that it sent nothing
		return task{}, verifier.Invalid("target", "%v fits no minion: nothing was sent", target["tgt"])
	}
	return task{ID: job.JID, By: s.login["username"], Note: c.To, State: running}, nil
}

// maxMisses is how often a job is looked for on minions that have not returned, before it is held to be lost there: one that is
// killed, or whose minion dies, never returns.
const maxMisses = 12

// state counts the returns of the job over the minions that it was sent to.
func (s *salt) state(ctx context.Context, t task) (task, error) {
	job, err := s.job(ctx, t.ID)
	if err != nil {
		return t, err
	}
	var missing, bad []string
	for _, minion := range job.Minions {
		r, returned := job.Result[minion]
		if !returned {
			missing = append(missing, minion)
		} else if why := r.problem(); why != "" {
			bad = append(bad, minion+": "+why)
		}
	}
	t.State, t.Problem = running, ""
	switch {
	case len(missing) == 0 && len(bad) == 0:
		t.State = succeeded
	case len(missing) == 0:
		t.State, t.Problem = failed, few(bad)
	default:
		return s.waited(ctx, t, missing, bad)
	}
	return t, nil
}

type saltReport struct {
	Minions []string              `json:"Minions"`
	Result  map[string]saltReturn `json:"Result"`
	Error   string                `json:"Error"`
}

func (s *salt) job(ctx context.Context, jid string) (saltReport, error) {
	var answer struct {
		Info []saltReport `json:"info"`
	}
	if err := s.authorized(ctx, http.MethodGet, "/jobs/"+url.PathEscape(jid), nil, &answer); err != nil {
		return saltReport{}, err
	}
	if len(answer.Info) != 1 || answer.Info[0].Error != "" || len(answer.Info[0].Minions) == 0 {
		return saltReport{}, &verifier.TemporaryError{Err: fmt.Errorf("salt-api says nothing of the job: %s",
			cmp.Or(append(answer.Info, saltReport{})[0].Error, "it names no minions"))}
	}
	return answer.Info[0], nil
}

// waited looks for the job on the minions that have not returned.
func (s *salt) waited(ctx context.Context, t task, missing, bad []string) (task, error) {
	answers, err := s.ask(ctx, named(missing), "saltutil.find_job", low{"arg": []string{t.ID}})
	if err != nil {
		return t, err
	}
	for _, answer := range answers {
		var j saltJob
		if json.Unmarshal(answer, &j) == nil && j.JID == t.ID {
			t.Misses = 0
			return t, nil
		}
	}
	if t.Misses++; t.Misses >= maxMisses {
		t.State, t.Problem = failed, few(append(bad, few(missing)+": it runs there no longer, and did not return"))
	}
	return t, nil
}

// saltReturn is what a minion gave back.
type saltReturn struct {
	Return  json.RawMessage `json:"return"`
	RetCode int             `json:"retcode"`
	Success *bool           `json:"success"`
}

// problem is what went wrong; success alone is true beside a failed state.
func (r saltReturn) problem() string {
	var states map[string]json.RawMessage
	if json.Unmarshal(r.Return, &states) == nil {
		for _, key := range slices.Sorted(maps.Keys(states)) {
			var one struct {
				ID      string          `json:"__id__"`
				Result  json.RawMessage `json:"result"`
				Comment any             `json:"comment"`
			}
			if json.Unmarshal(states[key], &one) != nil || len(one.Result) == 0 {
				continue // of another function: no states
			}
			switch string(one.Result) {
			case "false":
				return fmt.Sprintf("%s: %v", one.ID, one.Comment)
			case "null":
				return one.ID + ": it was only tested, and nothing changed"
			}
		}
	}
	var errs []string
	switch {
	case json.Unmarshal(r.Return, &errs) == nil && len(errs) > 0 && (r.RetCode != 0 || r.Success == nil || !*r.Success):
		return errs[0]
	case r.RetCode != 0:
		return strings.TrimSpace(fmt.Sprintf("retcode %d %s", r.RetCode, text(r.Return)))
	case r.Success != nil && !*r.Success || string(r.Return) == "false":
		return cmp.Or(text(r.Return), "it did not succeed")
	}
	return ""
}

// text is a return that is one.
func text(r json.RawMessage) string {
	var s string
	_ = json.Unmarshal(r, &s) // anything else says nothing in words
	return s
}

// cancel ends the job on the minions that it was sent to. It is over when none of them runs it.
func (s *salt) cancel(ctx context.Context, t task) error {
	job, err := s.job(ctx, t.ID)
	if err != nil {
		return err
	}
	_, err = s.ask(ctx, named(job.Minions), "saltutil.term_job", low{"arg": []string{t.ID}})
	return err
}
