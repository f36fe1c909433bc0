package message

// field is a member that the server knows: of the line, or of its headers.
type field uint8

// The members of a line, then the headers. docs/protocol.md sections 1 and 3.
const (
	fieldType field = iota
	fieldOperation
	fieldMessageID
	fieldCorrelationID
	fieldClientID
	fieldDestination
	fieldTimestamp
	fieldTimeToLive
	fieldHeaders
	fieldBody
	fieldSeq
	fieldAttach
	fieldHave
	fieldGot
	fieldReliable
	fieldDSId
	fieldSecret
	fieldStreamID
	fieldHeartbeat
	fieldWait
	fieldPosition

	headerDSId
	headerDSSecret
	headerDSEndpoint
	headerDSDstClientID
	headerDSSubtopic
	headerDSNeedsConfig
	headerDSAddSub
	headerDSRemSub
	headerDSSelector
	headerDSMaxFrequency
	headerDSPriority
	headerDSLast
	headerDSSince
	headerDSPresence
	headerDSPresenceInfo

	fieldCount
	fieldUnknown = fieldCount
)

// fieldNames are the names on the wire, by field. lineField and headerField read them: switches, which are several times as fast as a map here.
var fieldNames = [fieldCount]string{
	"type", "operation", "messageId", "correlationId", "clientId", "destination", "timestamp", "timeToLive", "headers", "body",
	"seq", "attach", "have", "got", "reliable", "DSId", "secret", "streamId", "heartbeat", "wait", "position",
	"DSId", "DSSecret", "DSEndpoint", "DSDstClientId", "DSSubtopic", "DSNeedsConfig", "DSAddSub", "DSRemSub", "DSSelector", "DSMaxFrequency", "DSPriority",
	"DSLast", "DSSince", "DSPresence", "DSPresenceInfo",
}

// lineField finds a member of the line; fieldUnknown: the server does not read it.
func lineField(name []byte) field {
	switch string(name) {
	case "type":
		return fieldType
	case "operation":
		return fieldOperation
	case "messageId":
		return fieldMessageID
	case "correlationId":
		return fieldCorrelationID
	case "clientId":
		return fieldClientID
	case "destination":
		return fieldDestination
	case "timestamp":
		return fieldTimestamp
	case "timeToLive":
		return fieldTimeToLive
	case "headers":
		return fieldHeaders
	case "body":
		return fieldBody
	case "seq":
		return fieldSeq
	case "attach":
		return fieldAttach
	case "have":
		return fieldHave
	case "got":
		return fieldGot
	case "reliable":
		return fieldReliable
	case "DSId":
		return fieldDSId
	case "secret":
		return fieldSecret
	case "streamId":
		return fieldStreamID
	case "heartbeat":
		return fieldHeartbeat
	case "wait":
		return fieldWait
	case "position":
		return fieldPosition
	}
	return fieldUnknown
}

// headerField finds a header; fieldUnknown: the server does not read it.
func headerField(name []byte) field {
	switch string(name) {
	case "DSId":
		return headerDSId
	case "DSSecret":
		return headerDSSecret
	case "DSEndpoint":
		return headerDSEndpoint
	case "DSDstClientId":
		return headerDSDstClientID
	case "DSSubtopic":
		return headerDSSubtopic
	case "DSNeedsConfig":
		return headerDSNeedsConfig
	case "DSAddSub":
		return headerDSAddSub
	case "DSRemSub":
		return headerDSRemSub
	case "DSSelector":
		return headerDSSelector
	case "DSMaxFrequency":
		return headerDSMaxFrequency
	case "DSPriority":
		return headerDSPriority
	case "DSLast":
		return headerDSLast
	case "DSSince":
		return headerDSSince
	case "DSPresence":
		return headerDSPresence
	case "DSPresenceInfo":
		return headerDSPresenceInfo
	}
	return fieldUnknown
}

// privateFields are the members that belong to the connection of their sender and are not handed on to subscribers, as bits; privateHeaders those of the
// headers.
const (
	privateFields = 1<<fieldType | 1<<fieldOperation | 1<<fieldClientID | 1<<fieldTimestamp | 1<<fieldSeq | 1<<fieldAttach | 1<<fieldHave | 1<<fieldGot |
		1<<fieldReliable | 1<<fieldDSId | 1<<fieldSecret | 1<<fieldStreamID | 1<<fieldHeartbeat | 1<<fieldWait | 1<<fieldPosition | privateHeaders
	privateHeaders = 1<<headerDSId | 1<<headerDSSecret | 1<<headerDSEndpoint | 1<<headerDSDstClientID
)
