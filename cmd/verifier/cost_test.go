package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestCostsShowTheFiveDearest(t *testing.T) {
	var rules []RuleCost
	for i := range 7 {
		rules = append(rules, RuleCost{Rule: fmt.Sprintf("rule-%d", i), Source: "logs", Requests: 10, Milliseconds: float64(70 - i), Measured: i % 2})
	}
	var out strings.Builder
	printCosts(&out, rules)
	if text := out.String(); !strings.Contains(text, "rule-4") || strings.Contains(text, "rule-5") || !strings.Contains(text, "and 2 cheaper rules") {
		t.Errorf("got\n%s", text)
	}
	if strings.Count(out.String(), "not measured yet") != 3 {
		t.Errorf("got\n%s", out.String())
	}
	out.Reset()
	printCosts(&out, nil)
	if !strings.Contains(out.String(), "nothing is asked") {
		t.Errorf("got %s", out.String())
	}
}
