package heartbeat_test

import (
	"context"
	"fmt"
	"time"

	"sluice/heartbeat"
)

func Example() {
	wheel := heartbeat.New(heartbeat.Options{Tick: time.Millisecond})
	ctx, cancel := context.WithCancel(context.Background())
	go wheel.Run(ctx)

	var session struct {
		idle heartbeat.Idle // a field of what it belongs to
	}
	session.idle.Start(wheel, 20*time.Millisecond, func() {
		fmt.Println("no activity: the session ends")
		cancel()
	})
	session.idle.Touch() // whenever something arrives
	<-ctx.Done()
	// Output: no activity: the session ends
}
