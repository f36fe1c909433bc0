package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// post POSTs lines and returns the answer, which has status 200.
func (c *consumer) post(ctx context.Context, query string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.load.url.String()+query, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if c.id != "" {
		req.Header.Set("Authorization", "Bearer "+c.id+"."+c.secret)
	}
	resp, err := c.load.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
		resp.Body.Close()
		return nil, fmt.Errorf("HTTP status %s %s", resp.Status, bytes.TrimSpace(text))
	}
	return resp, nil
}

// exchange POSTs lines and takes the lines of the answer.
func (c *consumer) exchange(ctx context.Context, body []byte) error {
	resp, err := c.post(ctx, "", body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return c.lines(resp.Body, func(time.Time) error { return nil })
}

// tell POSTs lines whose answer does not matter. It is read all the same, so that the connection can be used again.
func (c *consumer) tell(ctx context.Context, body []byte) error {
	resp, err := c.post(ctx, "", body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	return err
}

// lines takes the lines of an answer until it ends. idle is called when what has arrived is used up.
func (c *consumer) lines(r io.Reader, idle func(now time.Time) error) error {
	in := bufio.NewReaderSize(r, 4096)
	for {
		long := []byte(nil)
		part, err := in.ReadSlice('\n')
		now := time.Now()
		for err == bufio.ErrBufferFull && len(long) < maxLine {
			long = append(long, bytes.TrimLeft(part, "\x00")...)
			part, err = in.ReadSlice('\n')
		}
		if err == io.EOF {
			return nil // a line without its LF did not arrive
		}
		if err != nil {
			return err
		}
		if long != nil {
			part = append(long, part...)
		}
		if err := c.line(part[:len(part)-1], now); err != nil {
			return err
		}
		if in.Buffered() == 0 {
			if err := idle(now); err != nil {
				return err
			}
		}
	}
}

// leave says goodbye if the load wants it, after ctx has ended.
func (c *consumer) leave(ctx context.Context) {
	if c.id == "" || !c.load.polite() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_ = c.tell(ctx, []byte(goodbye))
}

// stream receives over one answer that does not end.
func (c *consumer) stream(ctx context.Context) error {
	if err := c.exchange(ctx, c.hello(false)); err != nil {
		return err
	}
	defer c.leave(ctx)
	resp, err := c.post(ctx, "?command=open", []byte(`{"type":"control","operation":"attach","attach":1,"have":0,"got":1}`+"\n"))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	beat := c.load.beats(func() { _ = c.tell(ctx, []byte(heartbeat)) })
	defer beat()
	err = c.lines(resp.Body, func(now time.Time) error {
		if confirm := c.flush(now); confirm != nil {
			return c.tell(ctx, confirm)
		}
		return nil
	})
	if err == nil {
		err = errEnded
	}
	return err
}

// polls receives over one poll after the other.
func (c *consumer) polls(ctx context.Context) error {
	if err := c.exchange(ctx, c.hello(false)); err != nil {
		return err
	}
	defer c.leave(ctx)
	for attach := 1; ; attach++ {
		poll := fmt.Appendf(nil, `{"type":"command","operation":"poll","messageId":"p","attach":%d,"have":%d,"got":1}`+"\n", attach, c.counted)
		if err := c.exchange(ctx, poll); err != nil {
			return err
		}
		c.flush(time.Now())
		if c.pollWait > 0 {
			select {
			case <-time.After(c.pollWait):
			case <-ctx.Done():
				return nil
			}
		}
	}
}
