package outbound

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestGraphQL(t *testing.T) {
	said := ""
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if want := `{"query":"{ a }","variables":{"x":1}}`; string(body) != want || r.Header.Get("Api-Key") != "k" {
			t.Errorf("sent %s, want %s", body, want)
		}
		io.WriteString(w, said)
	}))
	defer s.Close()
	for _, tt := range []struct{ said, problem, class, a string }{
		{`{"data":{"a":"b"}}`, "", "", "b"},
		{`{"data":{"a":"b"},"errors":[]}`, "", "", "b"},
		{`{"data":{"a":"b"},"errors":[{"message":"odd"}]}`, "answered an error: odd", "", "b"},
		{`{"data":null,"errors":[{"message":"odd","extensions":{"errorClass":"TIMEOUT","code":"x"}}]}`, "answered an error: odd (TIMEOUT)", "TIMEOUT", ""},
		{`{"errors":[{"message":"odd","error_code":"BAD_API_KEY"}]}`, "answered an error: odd (BAD_API_KEY)", "BAD_API_KEY", ""},
		{`{}`, "answered neither data nor errors", "", ""},
	} {
		said = tt.said
		var out struct{ A string }
		err := GraphQL(context.Background(), Client(http.DefaultTransport, 0), s.URL, http.Header{"Api-Key": {"k"}}, "{ a }", map[string]any{"x": 1}, &out)
		var all GraphQLErrors
		if (err == nil) != (tt.problem == "") || err != nil && err.Error() != tt.problem || out.A != tt.a || errors.As(err, &all) && all[0].Class != tt.class {
			t.Errorf("%s: %v, %+v", tt.said, err, out)
		}
	}
}
