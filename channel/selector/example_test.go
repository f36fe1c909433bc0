package selector_test

import (
	"fmt"

	"sluice/channel/selector"
)

func Example() {
	s, err := selector.Compile("country IN ('UK', 'US') AND price * 1.2 < 10")
	if err != nil {
		panic(err)
	}
	fmt.Println(s.Match(headers{"country": "UK", "price": 7.5}))
	fmt.Println(s.Match(headers{"country": "UK", "price": int64(9)}))
	fmt.Println(s.Match(headers{"country": "UK"})) // whose price is unknown
	// Output:
	// true
	// false
	// false
}

func ExampleError() {
	_, err := selector.Compile(`country = "UK"`)
	fmt.Println(err)
	// Output: the selector is wrong at character 11: text is written in single quotes, 'like this'
}
