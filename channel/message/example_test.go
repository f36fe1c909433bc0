package message_test

import (
	"fmt"
	"time"

	"sluice/channel/message"
)

// A client's publish becomes the line that every subscriber gets, and an acknowledgement.
func Example() {
	frame := []byte(`{"type":"async","messageId":"m1","seq":1,"destination":"chat","body":{"text":"hello"}}` + "\n" + `{"type":"greeting","messageId":"m2"}`)
	for line := range message.Lines(frame) {
		request, err := message.Decode(line, message.Limits{MaxSize: 64 << 10})
		if err != nil {
			fmt.Printf("%s", message.AppendError(nil, err))
			continue
		}
		m := request.Message(time.UnixMilli(1_700_000_000_000), message.NewID)
		fmt.Printf("%s", m.Line)
		fmt.Printf("%s", message.AppendAcknowledge(nil, message.Acknowledge{CorrelationID: request.MessageID}))
	}
	// Output:
	// {"type":"async","timestamp":1700000000000,"messageId":"m1","destination":"chat","body":{"text":"hello"}}
	// {"type":"acknowledge","correlationId":"m1"}
	// {"type":"error","correlationId":"m2","code":4505,"name":"unknown-type","faultCode":"Client.Message.Encoding","faultString":"The message type is not one a client may send.","faultDetail":"type: \"greeting\""}
}
