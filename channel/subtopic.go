package channel

import (
	"strings"

	"sluice/channel/message"
)

// wildcard, as a whole part of a subscription's subtopic, stands for one part in the middle and for one or more at the end.
const wildcard = "*"

// MaxSubtopicParts is how many parts a subtopic may have, of a message and of a subscription alike. The index keeps a node for each part of a
// subscription with a wildcard, and looks at each for a message: without a bound a subtopic of 1024 bytes would make 500 of them.
const MaxSubtopicParts = 32

// checkSubtopic wants at most MaxSubtopicParts parts that are not empty, and no part that holds a wildcard beside other characters. It reports
// whether there is a wildcard. What it wants of a part are the rules of BlazeDS.
func checkSubtopic(subtopic, separator string) (wild bool, err *message.Error) {
	if len(subtopic) > message.MaxSubtopic {
		return false, message.Errorf(message.CodeBadSubtopic, "longer than %d bytes", message.MaxSubtopic)
	}
	parts := 0
	for part := range strings.SplitSeq(subtopic, separator) {
		parts++
		switch {
		case parts > MaxSubtopicParts:
			return false, message.Errorf(message.CodeBadSubtopic, "more than %d parts", MaxSubtopicParts)
		case part == "":
			return false, message.Errorf(message.CodeBadSubtopic, "%q has an empty part", subtopic)
		case part == wildcard:
			wild = true
		case strings.Contains(part, wildcard):
			return false, message.Errorf(message.CodeBadSubtopic, "%q: a wildcard must stand alone between separators", subtopic)
		}
	}
	return wild, nil
}

// matchSubtopic reports whether a subscription to pattern gets messages of subtopic. Both are well-formed; "" is none, which matches only none.
func matchSubtopic(pattern, subtopic, separator string) bool {
	if pattern == subtopic {
		return true
	}
	if pattern == "" || subtopic == "" {
		return false
	}
	for {
		want, restWanted, more := strings.Cut(pattern, separator)
		if want == wildcard && !more {
			return true
		}
		part, rest, moreParts := strings.Cut(subtopic, separator)
		if want != wildcard && want != part || more != moreParts {
			return false
		}
		if !more {
			return true
		}
		pattern, subtopic = restWanted, rest
	}
}
