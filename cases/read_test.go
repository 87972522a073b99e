package cases

import (
	"bytes"
	"compress/gzip"
	"errors"
	"strings"
	"testing"
	"time"

	"verifier"
)

const good = `{"id":"a/1","service":"shop","deployed_at":1000,"until":1900,"step":30,"series":[
{"name":"errors","kind":"count","worse":"higher","unit":"1","deployed":[[970,1,50],[1000,2,60],[1030,0,40],[1030,1,10]],"control":[[1030,1,90]]},
{"name":"latency_p95","kind":"value","worse":"higher","unit":"ms","deployed":[[970,5.5],[1030,7],[1030,9]]},
{"name":"error_ratio","kind":"ratio","worse":"higher","deployed":[[1000,0.05]]},
{"name":"requests","kind":"count","worse":"either","deployed":[[1000,50]]}],
"label":{"bad":true,"onset":1030,"kind":"late","group":"g"}}`

func line(text string) string { return strings.ReplaceAll(text, "\n", "") + "\n" }

func TestRead(t *testing.T) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write([]byte(line(good) + "\n")); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*bytes.Buffer{"plain": bytes.NewBufferString("\n" + line(good)), "gzipped": &zipped} {
		list, err := Read(r, name)
		if err != nil || len(list) != 1 {
			t.Fatalf("%s: %d cases: %v", name, len(list), err)
		}
		c := list[0]
		errors, latency := c.Series[0], c.Series[1]
		if last := errors.Deployed[2]; len(errors.Deployed) != 3 || last.Count != 1 || last.Exposure != 50 || !last.T.Equal(time.Unix(1030, 0)) {
			t.Errorf("%s: pods are not put together: %+v", name, errors.Deployed)
		}
		if latency.Deployed[1].Value != 8 || c.Step != 30*time.Second || !c.Label.Onset.Equal(time.Unix(1030, 0)) || c.Label.Group != "g" {
			t.Errorf("%s: %+v %+v", name, c, c.Label)
		}
		if errors.Traffic() || !c.Series[3].Traffic() {
			t.Errorf("%s: what is traffic?", name)
		}
	}
}

// Every bad input is an error that names line and case, and what to write instead; the cases around it are read.
func TestReadBad(t *testing.T) {
	change := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for _, c := range []struct{ text, want string }{
		{"nonsense", "f:2: this is no case"},
		{"[]", "f:2: this is no case"},
		{change(`"id":"a/1"`, `"id":""`), "f:2: id is missing"},
		{good, "f:2: case a/1: the same id is on line 1"},
		{change(`"deployed_at":1000,`, ``), "deployed_at is missing"},
		{change(`"step":30`, `"step":0`), "step is 0; write seconds, more than 0"},
		{change(`"step":30`, `"step":"x"`), "this is no case"},
		{change(`"until":1900`, `"until":1000`), "until is 1000, not after deployed_at, 1000"},
		{change(`"until":1900`, `"until":99999999`), "steps; at most 100000 are judged"},
		{change(`"until":1900`, `"until":1900000000000`), "write unix seconds"},
		{change(`"kind":"count"`, `"kind":"sum"`), `series errors: kind is "sum"; write count, ratio or value`},
		{change(`"worse":"higher"`, `"worse":""`), "write higher, lower or either"},
		{change(`"latency_p95"`, `"errors"`), "there are two of this name"},
		{change(`"errors"`, `"er rors\n"`), "series er rors"},
		{change(`[970,1,50]`, `[970,"NaN",50]`), "series errors: deployed: sample 1"},
		{change(`[970,1,50]`, `[970,1e999,50]`), "sample 1"},
		{change(`[970,1,50]`, `[970,null,50]`), "holds a null; leave samples that are missing out"},
		{change(`[970,1,50]`, `[970]`), "has 1 numbers; write [time, value]"},
		{change(`[970,5.5]`, `[970,5.5,3]`), "has 3 numbers"},
		{change(`[970,1,50]`, `[970,-1,50]`), "a count is not negative"},
		{change(`[970,1,50]`, `[970,51,50]`), "51 events among 50; the exposure holds the events too"},
		{change(`[970,1,50]`, `[970,1,-50]`), "events among -50"},
		{change(`[1000,2,60]`, `[900,2,60]`), "sample 2: its time [900,2,60] is before that of the sample before"},
		{change(`[1000,0.05]`, `[1000,1.05]`), "a ratio is between 0 and 1"},
		{change(`[1030,1,90]`, `[1e15,1,90]`), "control: sample 1"},
		{`{"id":"b","deployed_at":1,"until":9,"step":1,"series":[]}`, "case b: series is empty"},
	} {
		list, err := Read(strings.NewReader(line(good)+line(c.text)+line(change("a/1", "a/2"))), "f")
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "f:2: ") || !errors.Is(err, verifier.ErrInvalid) {
			t.Errorf("%.80s: %v, want %q", c.text, err, c.want)
		}
		if len(list) != 2 || list[1].ID != "a/2" || list[1].Line != 3 {
			t.Errorf("%.80s: %d cases around it", c.text, len(list))
		}
	}
	if _, err := Read(bytes.NewReader([]byte{0x1f, 0x8b, 1, 2}), "f.gz"); err == nil || !strings.Contains(err.Error(), "f.gz") {
		t.Errorf("half a gzip: %v", err)
	}
}

// Steps end at whole multiples of the step, and nothing else changes.
func TestAligned(t *testing.T) {
	list, err := Read(strings.NewReader(line(strings.ReplaceAll(good, "970", "977"))), "f")
	if err != nil {
		t.Fatal(err)
	}
	aligned, by := list[0].Aligned()
	for _, s := range aligned.Series {
		for _, x := range s.Deployed {
			if x.T.Unix()%30 != 0 {
				t.Errorf("%s ends at %d", s.Name, x.T.Unix())
			}
		}
	}
	if aligned.DeployedAt.Sub(list[0].DeployedAt) != by || aligned.Until.Sub(aligned.DeployedAt) != 900*time.Second || by < 0 || by >= 30*time.Second {
		t.Errorf("moved by %s: %s to %s", by, aligned.DeployedAt, aligned.Until)
	}
	if list[0].Series[0].Deployed[0].T.Unix() != 977 {
		t.Error("the case itself was changed")
	}
}

// The rules of a case share the error rate of the whole verdict, and ask for their series by name.
func TestRules(t *testing.T) {
	list, _ := Read(strings.NewReader(line(good)), "f")
	rate := 0.0
	for _, r := range list[0].Rules() {
		rate += 1 - r.Confidence
		if r.Settle != time.Minute || r.Every != 30*time.Second || r.Watch != 900*time.Second || r.Measure.Source != SourceName {
			t.Errorf("%+v", r)
		}
	}
	if len(list[0].Rules()) != 4 || rate < 0.0099 || rate > 0.0101 {
		t.Errorf("%d rules with an error rate of %g, want 4 and 0.01", len(list[0].Rules()), rate)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(line(good)))
	f.Add([]byte(`{"id":"x","deployed_at":1e9,"until":1e9,"step":1e-3,"series":[{"name":"a","kind":"count","worse":"either","deployed":[[1,2,3]]}]}`))
	f.Add([]byte("\x1f\x8b"))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := Read(bytes.NewReader(text), "f")
		if err != nil && len(list) == 0 {
			return
		}
		for _, c := range list {
			aligned, _ := c.Aligned()
			aligned.Newest(aligned.Until)
			for _, r := range aligned.Rules() {
				if r.Confidence <= 0 || r.Confidence >= 1 || r.Every <= 0 || r.Watch <= 0 {
					t.Errorf("rule %+v", r)
				}
			}
		}
	})
}
