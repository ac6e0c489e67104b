// Asks a Daybook what a user sent in a window, and who sent most.
//
//	go run . ADDRESS USERNAME START END
//
// START and END are instants as RFC 3339 writes them. A token, if one is asked for, is read from
// DAYBOOK_TOKEN; it is sent to loopback addresses only here, because nothing is encrypted.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/timestamppb"

	daybook "example.org/daybook/gen/daybook/v1"
)

// Questions change nothing, so they may be put again. Recording may too where rows have ids.
const serviceConfig = `{
  "methodConfig": [{
    "name": [{"service": "daybook.v1.AnalyticsService"}, {"service": "daybook.v1.LedgerService"}],
    "timeout": "10s",
    "retryPolicy": {
      "maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "5s", "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }],
  "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}
}`

func main() {
	if len(os.Args) != 5 {
		log.Fatal("usage: ADDRESS USERNAME START END")
	}
	if err := ask(os.Args[1], os.Args[2], os.Args[3], os.Args[4]); err != nil {
		log.Fatal(err)
	}
}

func ask(address, username, start, end string) error {
	connection, err := grpc.NewClient(address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultServiceConfig(serviceConfig))
	if err != nil {
		return err
	}
	defer connection.Close()
	ctx := context.Background()
	if token := os.Getenv("DAYBOOK_TOKEN"); token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	window, err := windowOf(start, end)
	if err != nil {
		return err
	}
	found, err := daybook.NewLedgerServiceClient(connection).GetUser(ctx, &daybook.GetUserRequest{
		User: &daybook.GetUserRequest_Username{Username: username},
	})
	if err != nil {
		return err
	}
	analytics := daybook.NewAnalyticsServiceClient(connection)
	sum, err := analytics.SumAmount(ctx, &daybook.SumAmountRequest{
		Subject:   &daybook.SumAmountRequest_UserUuid{UserUuid: found.User.UserUuid},
		Window:    window,
		Direction: daybook.Direction_DIRECTION_SENDER,
		Verify:    true,
	})
	if err != nil {
		return err
	}
	fmt.Printf("%s sent %s %s in %d transactions, verified: %t\n",
		username, sum.SumAmount, sum.Asset, sum.TransactionCount, sum.Verification.Agrees)
	rank, err := analytics.Rank(ctx, &daybook.RankRequest{
		Window:    window,
		Direction: daybook.Direction_DIRECTION_SENDER,
		Metric:    daybook.RankMetric_RANK_METRIC_SUM,
		PageSize:  3,
	})
	if err != nil {
		return err
	}
	for _, row := range rank.Rows {
		fmt.Printf("%d. %s %s\n", row.Rank, row.Username, row.Value)
	}
	return nil
}

func windowOf(start, end string) (*daybook.Window, error) {
	from, err := time.Parse(time.RFC3339, start)
	if err != nil {
		return nil, err
	}
	to, err := time.Parse(time.RFC3339, end)
	if err != nil {
		return nil, err
	}
	return &daybook.Window{Start: timestamppb.New(from), End: timestamppb.New(to)}, nil
}
