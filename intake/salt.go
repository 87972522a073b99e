package intake

import (
	"encoding/json"
	"fmt"
	"maps"
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
		ok, why := d.went()
		if !ok {
			deploy.FailedHosts = []string{d.ID}
			deploy.Labels = map[string]string{"failed": outFirst(why)}
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
// failed state.
func (d *saltData) went() (ok bool, why string) {
	switch {
	case d.RetCode != nil && *d.RetCode != 0:
		ok, why = false, fmt.Sprintf("%s: retcode %d", d.ID, *d.RetCode)
	case d.Success != nil && !*d.Success:
		ok, why = false, d.ID+": success is false"
	default:
		ok = true
	}
	var states map[string]struct {
		Result  *bool  `json:"result"` // null: only tested
		Name    string `json:"name"`
		Comment any    `json:"comment"`
	}
	if err := json.Unmarshal(d.Return, &states); err != nil {
		var bad []string // errors of compilation are a list
		if json.Unmarshal(d.Return, &bad) == nil && len(bad) > 0 {
			return false, d.ID + ": " + bad[0]
		}
		return ok, why
	}
	for _, s := range states {
		if s.Result != nil && !*s.Result {
			return false, fmt.Sprintf("%s: %s: %v", d.ID, s.Name, s.Comment)
		}
	}
	return ok, why
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
