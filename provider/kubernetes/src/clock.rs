//! What time it is for the cluster. What it judges by its own clock, such as the end of a token, is made by that clock: the
//! machine that runs Terraform may be hours away from it.

use http::{Request, header::DATE};
use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};
use kube::client::Body;

use crate::{
    Cluster, ClusterError,
    call::{PATIENCE, ask},
};

impl Cluster {
    /// The clock of the API server that answers, to the second. Every answer of one carries it.
    pub async fn now(&self) -> Result<Timestamp, ClusterError> {
        let act = "ask the Kubernetes API what time it is";
        let unreadable = |reason: String| ClusterError::Answer { act: act.to_owned(), reason };
        let answer = ask(act, PATIENCE, || async {
            let request = Request::get("/livez").body(Body::empty()).map_err(kube::Error::HttpError)?;
            self.client.send(request).await
        })
        .await?;
        let date = answer.headers().get(DATE).ok_or_else(|| unreadable("it has no date".to_owned()))?;
        DateTimeParser::new()
            .parse_timestamp(date.as_bytes())
            .map_err(|error| unreadable(format!("its date cannot be read: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::FakeApi;

    #[tokio::test]
    async fn the_api_server_says_what_time_it_is() {
        let api = FakeApi::new().at("2031-05-06T07:08:09Z".parse().unwrap());
        api.expect("GET /livez", 200, &json!("ok"));
        assert_eq!(api.cluster().now().await.unwrap().to_string(), "2031-05-06T07:08:09Z");
    }

    /// One that is not well, or refuses to answer, has a clock all the same.
    #[tokio::test]
    async fn a_refusal_says_it_too() {
        let api = FakeApi::new().at("2031-05-06T07:08:09Z".parse().unwrap());
        api.expect("GET /livez", 403, &json!({}));
        assert_eq!(api.cluster().now().await.unwrap().to_string(), "2031-05-06T07:08:09Z");
    }
}
