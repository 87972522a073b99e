package cases

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"verifier"
)

// labelled is a case with its truth; onset is seconds after the deploy, negative for none.
func labelled(id string, bad bool, onset float64, group string) Case {
	c := Case{ID: id, DeployedAt: time.Unix(1000, 0), Label: &Label{Bad: bad, Group: group, Kind: "k"}}
	if onset >= 0 {
		c.Label.Onset = c.DeployedAt.Add(time.Duration(onset * float64(time.Second)))
	}
	return c
}

// Figures that were counted by hand.
func TestScore(t *testing.T) {
	list := []Case{
		labelled("hit", true, 0, ""), labelled("late hit", true, 100, ""), labelled("early", true, 500, ""), labelled("missed", true, 0, ""),
		labelled("alarm", false, -1, ""), labelled("good", false, -1, ""), labelled("undecided", false, -1, ""), labelled("also good", false, -1, ""),
	}
	verdicts := []Verdict{
		{"hit", verifier.Fail, 1060, ""},
		{"late hit", verifier.Fail, 1500, ""},
		{"early", verifier.Fail, 1400, ""},
		{"missed", verifier.Pass, 1900, ""},
		{"alarm", verifier.Fail, 1100, ""},
		{"good", verifier.Pass, 1900, ""},
		{"undecided", verifier.Inconclusive, 1900, ""},
		{"also good", verifier.Pass, 0, ""},
	}
	s, err := Score(list, verdicts)
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]float64{
		"precision": {*s.Precision, 0.5}, "recall": {*s.Recall, 0.5}, "F1": {*s.F1, 0.5}, "false rollbacks": {*s.FalseRollbacks, 0.25},
		"median": {*s.DetectMedian, 230}, "p90": {*s.DetectP90, 366}, "5 min": {*s.Recall5, 0.25}, "10 min": {*s.Recall10, 0.5}, "inconclusive": {*s.Inconclusive, 0.125},
	} {
		if math.Abs(pair[0]-pair[1]) > 1e-9 {
			t.Errorf("%s is %g, want %g", name, pair[0], pair[1])
		}
	}
	if s.Hits != 2 || s.False != 2 || s.Early != 1 || s.Missed != 2 || s.Bad != 4 || s.Kinds["k"] != [2]int{4, 8} {
		t.Errorf("%+v", s)
	}
	if in := s.Intervals["recall"]; in.Low > 0.5 || in.High < 0.5 || in.Low == in.High {
		t.Errorf("recall in %+v", in)
	}
	var text strings.Builder
	s.Print(&text)
	if !strings.Contains(text.String(), "2 / 2 / 2 (of the false ones 1 before the onset of a bad case)") {
		t.Errorf("printed:\n%s", text.String())
	}
}

// Cases of one group share data: they are drawn together.
func TestScoreByGroup(t *testing.T) {
	var list []Case
	var verdicts []Verdict
	for _, id := range []string{"a", "b", "c", "d"} {
		list = append(list, labelled(id, false, -1, "same"))
		verdicts = append(verdicts, Verdict{id, verifier.Fail, 1001, ""})
	}
	list, verdicts = append(list, labelled("e", true, 0, "")), append(verdicts, Verdict{"e", verifier.Pass, 0, ""})
	s, err := Score(list, verdicts)
	if err != nil || s.Intervals["false_rollbacks"] != (Interval{1, 1}) {
		t.Errorf("%v %+v", err, s.Intervals)
	}
}

func TestScoreBad(t *testing.T) {
	list := []Case{labelled("a", true, 0, "")}
	for want, verdicts := range map[string][]Verdict{
		"there is no verdict for a":                  {},
		"two verdicts for a":                         {{"a", verifier.Pass, 1, ""}, {"a", verifier.Pass, 1, ""}},
		`a: the outcome is "maybe"`:                  {{"a", "maybe", 1, ""}},
		"a: a fail needs the time of the decision":   {{"a", verifier.Fail, 0, ""}},
		"there is a verdict for b, which is no case": {{"a", verifier.Pass, 1, ""}, {"b", verifier.Pass, 1, ""}},
	} {
		if _, err := Score(list, verdicts); err == nil || !strings.Contains(err.Error(), want) || !errors.Is(err, verifier.ErrInvalid) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	list[0].Label = nil
	if _, err := Score(list, []Verdict{{"a", verifier.Pass, 1, ""}}); err == nil || !strings.Contains(err.Error(), "a has no label") {
		t.Errorf("without a label: %v", err)
	}
	if s, err := Score(nil, nil); err != nil || s.Recall != nil || s.Inconclusive != nil {
		t.Errorf("nothing at all: %+v %v", s, err)
	}
}
