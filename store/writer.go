package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// maxBatch is how many writes share one commit.
const maxBatch = 256

var errClosed = errors.New("the store is closed")

// writer is the one goroutine that writes.
type writer struct {
	requests chan *request
	quit     chan struct{}
	done     chan struct{}
	once     sync.Once
	tx       *tx
	announce func()
	trouble  atomic.Pointer[error]     // of the last batch: the disk's, not the caller's
	since    atomic.Pointer[time.Time] // when the batch that runs now began; nil: none runs
	patience time.Duration             // how long one batch may take
}

// standsStill is how long one batch may take before the store is said to be in trouble. A batch takes milliseconds.
const standsStill = 10 * time.Second

// stands is why nothing can be written now; nil where the writer goes on.
func (w *writer) stands() error {
	if since := w.since.Load(); since != nil {
		if took := time.Since(*since); took >= w.patience {
			return fmt.Errorf("the store has been busy with one write for %s", took.Round(time.Second))
		}
	}
	return nil
}

type request struct {
	run  func(*tx) error
	ctx  context.Context
	err  error
	done chan struct{}
}

func newWriter(ctx context.Context, db *sql.DB, announce func()) (*writer, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	w := &writer{
		requests: make(chan *request, maxBatch), quit: make(chan struct{}), done: make(chan struct{}),
		tx: &tx{conn: conn, statements: map[string]*sql.Stmt{}}, announce: announce, patience: standsStill,
	}
	go w.loop()
	return w, nil
}

// do runs the function in a savepoint of the next commit and returns when it is on the disk. What it did is undone when it
// returns an error. It must do nothing but SQL and thinking.
func (w *writer) do(ctx context.Context, run func(*tx) error) error {
	r := &request{run: run, ctx: ctx, done: make(chan struct{})}
	select {
	case <-w.quit:
		return errClosed
	case <-ctx.Done():
		return ctx.Err()
	case w.requests <- r:
	}
	select {
	case <-r.done:
		return r.err
	case <-w.done:
		select {
		case <-r.done:
			return r.err
		default:
			return errClosed
		}
	}
}

// offer runs the function in a commit to come, if there is room, and does not wait for it.
func (w *writer) offer(run func(*tx) error) {
	select {
	case w.requests <- &request{run: run, ctx: context.Background(), done: make(chan struct{})}:
	default:
	}
}

func (w *writer) close() {
	w.once.Do(func() { close(w.quit) })
	<-w.done
}

func (w *writer) loop() {
	defer close(w.done)
	defer w.tx.close()
	for {
		select {
		case first := <-w.requests:
			w.commit(w.collect(first))
		case <-w.quit:
			for {
				select {
				case first := <-w.requests:
					w.commit(w.collect(first))
				default:
					return
				}
			}
		}
	}
}

func (w *writer) collect(first *request) []*request {
	batch := []*request{first}
	for len(batch) < maxBatch {
		select {
		case r := <-w.requests:
			batch = append(batch, r)
		default:
			return batch
		}
	}
	return batch
}

// commit runs the batch in one transaction. If that cannot begin or end, all of the batch failed.
func (w *writer) commit(batch []*request) {
	began := time.Now()
	w.since.Store(&began)
	defer w.since.Store(nil)
	err := w.tx.begin()
	if err == nil {
		for _, r := range batch {
			r.err = w.tx.savepoint(r)
		}
		err = w.tx.commit()
	}
	var trouble *error
	for _, r := range batch {
		if err != nil && r.err == nil {
			r.err = fmt.Errorf("write to the store: %w", err)
		}
		r.err = unwritten(r.err)
		if code(r.err) != 0 {
			trouble = &r.err
		}
	}
	w.trouble.Store(trouble)
	for _, r := range batch {
		close(r.done)
	}
	w.announce()
}

// tx is the writer's connection inside a transaction, with its prepared statements.
type tx struct {
	conn       *sql.Conn
	statements map[string]*sql.Stmt
}

func (t *tx) begin() error { return t.exec(begin) }
func (t *tx) commit() error {
	err := t.exec("COMMIT")
	if err != nil {
		_, _ = t.conn.ExecContext(context.Background(), "ROLLBACK")
	}
	return err
}

func (t *tx) savepoint(r *request) (err error) {
	if r.ctx.Err() != nil {
		return r.ctx.Err()
	}
	if err := t.exec("SAVEPOINT one"); err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("bug: %v", p)
		}
		if err != nil {
			err = errors.Join(err, t.exec("ROLLBACK TO one"))
		}
		err = errors.Join(err, t.exec("RELEASE one"))
		if j, ok := err.(interface{ Unwrap() []error }); ok && len(j.Unwrap()) == 1 {
			err = j.Unwrap()[0]
		}
	}()
	return r.run(t)
}

func (t *tx) prepared(query string) (*sql.Stmt, error) {
	if s, ok := t.statements[query]; ok {
		return s, nil
	}
	s, err := t.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, fmt.Errorf("prepare %q: %w", query, err)
	}
	t.statements[query] = s
	return s, nil
}

func (t *tx) exec(query string, args ...any) error {
	_, err := t.affect(query, args...)
	return err
}

// affect is exec that tells how many rows it hit.
func (t *tx) affect(query string, args ...any) (int64, error) {
	s, err := t.prepared(query)
	if err != nil {
		return 0, err
	}
	result, err := s.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (t *tx) query(query string, args ...any) (*sql.Rows, error) {
	s, err := t.prepared(query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(context.Background(), args...)
}

func (t *tx) close() {
	for _, s := range t.statements {
		s.Close()
	}
	t.conn.Close()
}

// querier is what reads: the writer inside its transaction, or the pool outside any.
type querier interface {
	query(query string, args ...any) (*sql.Rows, error)
}

type pool struct {
	ctx context.Context
	db  *sql.DB
}

func (p pool) query(query string, args ...any) (*sql.Rows, error) {
	return p.db.QueryContext(p.ctx, query, args...)
}

func (s *Store) pool(ctx context.Context) pool { return pool{ctx, s.read} }

// collect runs the query and makes a value of each row.
func collect[T any](q querier, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// one is collect for at most one row: ok is false where there is none.
func one[T any](q querier, scan func(*sql.Rows) (T, error), query string, args ...any) (v T, ok bool, err error) {
	list, err := collect(q, scan, query, args...)
	if err != nil || len(list) == 0 {
		return v, false, err
	}
	return list[0], true, nil
}

func scalar[T any](rows *sql.Rows) (T, error) {
	var v T
	err := rows.Scan(&v)
	return v, err
}
