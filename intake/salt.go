package intake

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"verifier"
)

// salt are events of a master's bus: the return of a state run from one minion, and the new job that says which minions are to return.
// The engine http_logstash posts an event's data alone, others tag and data. One job is one deploy, counted over its minions.
var salt = tool{
	check: checkSecret, read: readSalt, lists: &saltList,
	fields: []string{"fun", "sls", "saltenv", "minion", "tag", "user", "target_expression", "pillar.*"},
	where:  map[string]string{"service": "fun_args", "version": "fun_args", "at": "_stamp"},
}

type saltEvent struct {
	Tag  string          `json:"tag"`
	Data json.RawMessage `json:"data"`
}

type saltData struct {
	JID     string            `json:"jid"`
	ID      string            `json:"id"`
	Fun     string            `json:"fun"`
	FunArgs []json.RawMessage `json:"fun_args"` // null in some
	Arg     []json.RawMessage `json:"arg"`      // of a new job
	Return  json.RawMessage   `json:"return"`
	RetCode *int              `json:"retcode"`
	Success *bool             `json:"success"`
	Minions []string          `json:"minions"`
	Target  any               `json:"tgt"`
	User    string            `json:"user"`
	Stamp   string            `json:"_stamp"`
}

// saltStates are the functions that bring a minion into a state: returns of others are no deploys.
var saltStates = []string{"state.apply", "state.sls", "state.highstate", "state.single", "state.sls_id", "state.top", "state.orchestrate", "state.orch"}

func readSalt(_ *hook, in verifier.Delivery) ([]Event, string, error) {
	var outer saltEvent
	if err := json.Unmarshal(in.Body, &outer); err != nil {
		return nil, "", verifier.Invalid("body", "is no event of Salt: %v", misread(err))
	}
	body := in.Body
	if len(outer.Data) > 0 && outer.Tag != "" {
		body = outer.Data
	}
	var d saltData
	if err := json.Unmarshal(body, &d); err != nil {
		return nil, "", verifier.Invalid("body", "is no event of Salt: %v", misread(err))
	}
	switch {
	case d.JID == "" || d.Fun == "":
		return nil, "it has no jid and fun: it is neither a job nor its return", nil
	case !slices.Contains(saltStates, d.Fun):
		return nil, fmt.Sprintf("%.60q brings no minion into a state; %s do", d.Fun, strings.Join(saltStates, ", ")), nil
	case d.tested():
		return nil, "it was only tested (test=True): nothing changed", nil
	case d.ID == "" && len(d.Minions) == 0:
		return nil, "", verifier.Invalid("id", "is missing, and so are the minions: it is neither a return nor a new job")
	}
	at, assumed, err := d.time(in.ReceivedAt)
	if err != nil {
		return nil, "", err
	}
	deploy := verifier.Deploy{ID: d.JID, Status: verifier.Started, At: at, AtAssumed: assumed, By: d.User, Expected: d.Minions}
	if d.ID != "" && len(d.Return) > 0 {
		ok, why, unknown := d.went()
		if !ok {
			deploy.FailedHosts = []string{d.ID}
			deploy.Labels = map[string]string{"failed": outFirst(why)}
		}
		if unknown != "" {
			deploy.Labels = map[string]string{"unknown": outFirst(unknown)}
		}
		deploy.Hosts = []string{d.ID}
	}
	return []Event{{deploy, d.fields(outer.Tag)}}, "", nil
}

func outFirst(s string) string {
	if len(s) > 200 {
		s = s[:200]
	}
	return strings.ToValidUTF8(strings.Map(func(r rune) rune {
		if r < ' ' {
			return ' '
		}
		return r
	}, s), "?")
}

// went reports whether a return says that all went well: retcode, success and every state, because success alone is true beside a
// failed state. unknown says what could not be read of a return that seems to have gone well.
func (d *saltData) went() (ok bool, why, unknown string) {
	failed, unread := saltStatesOf(d.Return)
	switch {
	case failed != "":
		return false, d.ID + ": " + failed, ""
	case d.RetCode != nil && *d.RetCode != 0:
		return false, fmt.Sprintf("%s: retcode %d", d.ID, *d.RetCode), ""
	case d.Success != nil && !*d.Success:
		return false, d.ID + ": success is false", ""
	case unread != "" && d.RetCode == nil && d.Success == nil:
		return false, d.ID + ": " + unread, ""
	case unread != "":
		return true, "", d.ID + ": " + unread
	}
	return true, "", ""
}

// saltTrimmed is what Salt writes for a value that is too large for its event bus (max_event_size).
const saltTrimmed = "VALUE_TRIMMED"

// saltStatesOf reads the return of a state run: an object of states, or why there is none, as a text or a list of texts. failed is the first
// state that failed, unread what cannot be told.
func saltStatesOf(text json.RawMessage) (failed, unread string) {
	var states map[string]json.RawMessage
	if json.Unmarshal(text, &states) == nil {
		return saltFailed(states)
	}
	var other any
	if err := json.Unmarshal(text, &other); err != nil {
		return "", "its return is not JSON"
	}
	switch v := other.(type) {
	case string:
		if strings.TrimSpace(v) == saltTrimmed {
			return "", "Salt left out the return (" + saltTrimmed + ", see max_event_size), so failed states are not known"
		}
		return saltWords(v), "" // a state run that began returns its states
	case []any:
		if len(v) > 0 {
			return saltWords(v), "" // errors of compilation
		}
	case bool:
		if !v {
			return "the return is false", ""
		}
	}
	return "", ""
}

// saltFailed reads each state by itself: one that is unlike the others hides none of them.
func saltFailed(states map[string]json.RawMessage) (failed, unread string) {
	first := math.MaxFloat64
	for _, key := range slices.Sorted(maps.Keys(states)) {
		var state map[string]any
		if json.Unmarshal(states[key], &state) != nil {
			if strings.Contains(string(states[key]), saltTrimmed) {
				unread = fmt.Sprintf("Salt left out the state %s (%s, see max_event_size)", key, saltTrimmed)
			}
			continue
		}
		result, run := state["result"], first-1
		if n, ok := state["__run_num__"].(float64); ok {
			run = n
		}
		switch {
		case result == false, result == "False", result == "false":
			if failed == "" || run < first {
				first, failed = run, fmt.Sprintf("%s: %s", cmp.Or(saltWords(state["name"]), key), saltWords(state["comment"]))
			}
		case result == saltTrimmed:
			unread = fmt.Sprintf("Salt left out the result of %s (%s, see max_event_size)", key, saltTrimmed)
		}
	}
	return failed, unread
}

// saltWords is a text, or several, or anything else as JSON.
func saltWords(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return strings.TrimSpace(v)
	case []any:
		var texts []string
		for _, one := range v {
			texts = append(texts, saltWords(one))
		}
		return strings.Join(texts, ", ")
	}
	text, _ := json.Marshal(v) // unreachable error: it came from JSON
	return string(text)
}

// saltTimes are the ways in which Salt writes a time, which is UTC.
var saltTimes = []string{"2006-01-02T15:04:05.999999", "2006-01-02_15:04:05.999999", time.RFC3339Nano}

const saltJID = "20060102150405.000000"

// time is the event's, else that of the job's id, else when it came in.
func (d *saltData) time(received time.Time) (at time.Time, assumed bool, err error) {
	if d.Stamp != "" {
		at, err = parseTime("_stamp", d.Stamp, saltTimes...)
		return at, false, err
	}
	if len(d.Return) == 0 && len(d.JID) == 20 {
		if at, err := time.Parse(saltJID, d.JID[:14]+"."+d.JID[14:]); err == nil && timeProblem(at, received) == "" {
			return at, false, nil
		}
	}
	return received, true, nil
}

// args are the arguments of the state run: those without a name, and the others by name.
func (d *saltData) args() (plain []string, named map[string]any) {
	list := d.FunArgs
	if len(list) == 0 {
		list = d.Arg
	}
	named = map[string]any{}
	for _, arg := range list {
		var text string
		if json.Unmarshal(arg, &text) != nil {
			var some map[string]any
			_ = json.Unmarshal(arg, &some) // one that is neither says nothing
			maps.Copy(named, some)
			continue
		}
		key, value, isNamed := strings.Cut(text, "=")
		var decoded any
		switch {
		case !isNamed:
			plain = append(plain, text)
		case json.Unmarshal([]byte(value), &decoded) == nil:
			named[key] = decoded
		default:
			named[key] = value
		}
	}
	return plain, named
}

// tested reports whether the run only says what it would change, as test=True asks.
func (d *saltData) tested() bool {
	_, named := d.args()
	return strings.EqualFold(worded(named["test"]), "true")
}

// fields are the words of the state run: its sls names, saltenv and pillar.
func (d *saltData) fields(tag string) map[string]string {
	fields := map[string]string{"fun": d.Fun, "minion": d.ID, "tag": tag, "user": d.User, "target_expression": worded(d.Target)}
	plain, named := d.args()
	if len(plain) > 0 {
		fields["sls"] = plain[0]
	}
	if mods := listed(named["mods"]); mods != "" {
		fields["sls"] = mods
	}
	if env := worded(named["saltenv"]); env != "" {
		fields["saltenv"] = env
	}
	flatten("pillar", named["pillar"], fields)
	return fields
}

// listed is a text, or several with commas between them.
func listed(v any) string {
	list, ok := v.([]any)
	if !ok {
		return worded(v)
	}
	var texts []string
	for _, one := range list {
		texts = append(texts, worded(one))
	}
	return strings.Join(texts, ",")
}

// maxDeep is how far into an object flatten looks.
const maxDeep = 6

// flatten gives the texts, numbers and truths of an object as fields: pillar.shop.version.
func flatten(name string, v any, fields map[string]string) {
	object, ok := v.(map[string]any)
	if !ok {
		if text := worded(v); text != "" {
			fields[name] = text
		}
		return
	}
	if strings.Count(name, ".") >= maxDeep {
		return
	}
	for k, one := range object {
		flatten(name+"."+k, one, fields)
	}
}
