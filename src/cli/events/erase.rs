//! `events erase`: removes what the log holds of a user.

use std::io::{self, Write};

use clap::{Args, builder::NonEmptyStringValueParser};

use crate::{
    cli::{CliError, client::ClientArgs},
    event::pb::{EraseUserRequest, EraseUserResponse, administration_service_client::AdministrationServiceClient},
};

const EXAMPLES: &str = "\
Examples:
  smile-relay events erase --user tenantId-1234            every event of the user, webhooks and callbacks
  smile-relay events erase --user tenantId-1234 --endpoint partner

It ends once nothing is left in the log's files. If it fails or is interrupted, run it again. Events that arrive later
are stored, and backups are not touched.";

/// Erase every event of a user, for good.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct EraseArgs {
    /// Smile's id of the user, as the events have it
    #[arg(long, value_name = "ID", value_parser = NonEmptyStringValueParser::new())]
    pub user: String,
    /// Only what this endpoint has received [default: all]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub endpoint: Option<String>,
    #[command(flatten)]
    pub client: ClientArgs,
}

/// # Errors
/// If the relay can't be reached, or has not erased everything.
pub async fn run(args: &EraseArgs) -> Result<(), CliError> {
    let mut client = AdministrationServiceClient::new(args.client.channel().await?);
    let request = EraseUserRequest { user_id: args.user.clone(), endpoint: args.endpoint.clone().unwrap_or_default() };
    // However long the log is.
    let EraseUserResponse { events_erased, erased_through } = client.erase_user(request).await?.into_inner();
    let mut out = io::stdout().lock();
    writeln!(out, "{events_erased} events erased, of all up to #{erased_through}").map_err(CliError::Output)
}
