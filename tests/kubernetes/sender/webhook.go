package main

import (
	"fmt"
	"strings"
	"time"
)

// How many users webhooks are about, in turn.
const users = 7

// The bodies, in turn. The last %s is a text that may be as long as it likes.
var shapes = []string{
	`{"id":"%s","version":1,"type":"ACCOUNT_CONNECTED","createdAt":"%s","data":{"userId":"%s","accountId":"a-5a4fd87066d3","providers":["alon_ph"],"loginName":"%s"}}`,
	`{"id":"%s","version":1,"type":"TASK_STARTED","createdAt":"%s","data":{"userId":"%s","sourceType":"ACCOUNT","taskType":"LINK_ACCOUNT","providers":["alon_ph"],"sourceId":"%s"}}`,
	`{"id":"%s","version":1,"type":"INCOMES_ADDED","createdAt":"%s","data":{"userId":"%s","count":3,"providers":["alon_ph"],"accountId":"%s"}}`,
	finished,
}

// A picture within is what makes some of these large.
const finished = `{"id":"%s","version":1,"type":"TASK_FINISHED","createdAt":"%s","data":{"userId":"%s","sourceId":"a-5a4fd87066d3","sourceType":"ACCOUNT","taskType":"SYNC","status":"SUCCEEDED","providers":["alon_ph"],"datapoints":["IDENTITIES"],"payload":{"identity":{"id":"i-77f5809e3edd","fullName":"Isagani Aragon","photoUrl":"data:image/jpeg;base64,%s"}}}}`

// webhook is the nth webhook's body, of `size` bytes if that is enough for what has to be in it.
func webhook(id string, n, size int, created time.Time) []byte {
	shape := shapes[n%len(shapes)]
	if size > 64<<10 {
		shape = finished
	}
	body := func(text string) string {
		user := fmt.Sprintf("user-%d", n%users+1)
		return fmt.Sprintf(shape, id, created.UTC().Format("2006-01-02T15:04:05Z"), user, text)
	}
	return []byte(body(strings.Repeat("a", max(1, size-len(body(""))))))
}
