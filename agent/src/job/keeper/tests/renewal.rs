//! How credentials are kept alive.

use super::fake_broker::{Kind, Say, TTL};
use super::*;
use crate::clock::Clock as _;
use crate::local_api::wire;

/// Whether a token is there to be handed out.
fn has_token(view: &watch::Receiver<JobView>) -> bool {
    view.borrow().credentials[0].token.is_some()
}

fn generation(view: &watch::Receiver<JobView>) -> u32 {
    view.borrow().credentials[0].generation
}

#[tokio::test(start_paused = true)]
async fn each_is_renewed_at_about_two_thirds_of_its_life_and_not_all_at_once() {
    let node = Node::start();
    let begun = tokio::time::Instant::now();
    for _ in 0..20 {
        node.open(Anchor::Ttl).await.unwrap();
    }
    assert!(within(300, || node.broker.renews().len() == 20).await);
    let renewed: Vec<_> = node.broker.renews();
    let at: Vec<_> = renewed.iter().map(|(at, _)| *at - begun).collect();
    let (first, last) = (*at.iter().min().unwrap(), *at.iter().max().unwrap());
    assert!(first >= TTL.mul_f64(0.60), "{first:?}");
    assert!(last <= TTL.mul_f64(0.73) + seconds(1), "{last:?}");
    assert!(last.abs_diff(first) > seconds(5), "{first:?} {last:?}");
}

#[tokio::test(start_paused = true)]
async fn for_hours_there_is_a_token_and_each_renewal_is_of_the_newest_generation() {
    let node = Node::start();
    let (_, view) = node.opened().await;
    for _ in 0..3 * 3600 {
        pass(seconds(1)).await;
        assert!(has_token(&view));
    }
    let renewals = node.broker.renews();
    let generations: Vec<_> = renewals
        .iter()
        .map(|(_, request)| request.generation)
        .collect();
    let expected: Vec<u32> = (1..).take(generations.len()).collect();
    assert_eq!(generations, expected);
    assert!(generations.len() > 3 * 3600 / 219, "{}", generations.len());
}

#[tokio::test(start_paused = true)]
async fn what_passes_is_tried_again_with_growing_waits_until_it_succeeds() {
    let errors = [
        away(),
        lost(),
        refused(Reason::StoreUnavailable),
        refused(Reason::SvidRefused),
        refused(Reason::ShuttingDown),
        refused(Reason::ClockUncertain),
    ];
    for error in errors {
        let node = Node::start();
        let (_, view) = node.opened().await;
        node.broker
            .next(Kind::Renew, vec![Say::No(error.clone()); 8]);
        assert!(within(300, || generation(&view) == 2).await, "{error:?}");
        let tries: Vec<_> = node.broker.renews().into_iter().map(|(at, _)| at).collect();
        assert_eq!(tries.len(), 9);
        let waits: Vec<_> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(waits[0] < seconds(1), "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= seconds(6)), "{waits:?}");
        assert!(waits[7] >= waits[0] * 4, "{waits:?}");
        assert!(has_token(&view));
    }
}

#[tokio::test(start_paused = true)]
async fn the_wait_that_the_broker_asks_for_is_kept() {
    let node = Node::start();
    node.opened().await;
    let wait = seconds(30);
    let busy = CallError::from(Refusal::new(Reason::RateLimited, "").retry_after(wait));
    node.broker.next(Kind::Renew, [Say::No(busy)]);
    assert!(within(300, || node.broker.renews().len() == 2).await);
    let tries = node.broker.renews();
    assert!(tries[1].0 - tries[0].0 >= wait);
}

#[tokio::test(start_paused = true)]
async fn after_a_lost_answer_it_goes_on_from_the_generation_that_the_broker_names() {
    let node = Node::start();
    let (_, view) = node.opened().await;
    let ahead = Refusal::new(Reason::GenerationMismatch, "").current_generation(4);
    node.broker
        .next(Kind::Renew, [Say::No(lost()), Say::No(ahead.into())]);
    assert!(within(300, || generation(&view) == 5).await);
    let asked: Vec<u32> = node
        .broker
        .renews()
        .iter()
        .map(|(_, it)| it.generation)
        .collect();
    assert_eq!(asked, [1, 1, 4]);
    assert!(has_token(&view));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_is_refused_for_good_is_not_asked_again_and_the_token_serves_its_time() {
    for reason in [
        Reason::TaskNotGranted,
        Reason::CredentialNotGranted,
        Reason::Superseded,
    ] {
        let node = Node::start();
        let (_, view) = node.opened().await;
        node.broker.always(Kind::Renew, Say::No(refused(reason)));
        pass(TTL.saturating_sub(seconds(2))).await;
        assert!(has_token(&view), "{reason:?}");
        pass(seconds(600)).await;
        assert!(!has_token(&view), "{reason:?}");
        let why = view.borrow().credentials[0].refused.clone();
        assert_eq!(why.map(|why| why.reason), Some(reason));
        assert_eq!(node.broker.renews().len(), 1, "{reason:?}");
        assert_eq!(view.borrow().stage, Stage::Open, "{reason:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_taken_back_is_handed_out_no_more() {
    for reason in [Reason::LeaseEnded, Reason::LeaseUnknown] {
        let node = Node::start();
        let (_, view) = node.opened().await;
        node.broker.always(Kind::Renew, Say::No(refused(reason)));
        assert!(within(250, || !node.broker.renews().is_empty()).await);
        pass(seconds(1)).await;
        assert!(!has_token(&view), "{reason:?}");
        let told = wire::event(&view.borrow(), node.clock.since_boot()).unwrap();
        assert_eq!(told["not_renewed"][0]["reason"], reason.code());
        assert_eq!(told["credentials"], serde_json::json!([]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_says_that_the_job_is_over_ends_it() {
    for reason in [Reason::JobEnded, Reason::JobUnknown, Reason::WorkloadBanned] {
        let node = Node::start();
        let (_, view) = node.opened().await;
        node.broker.always(Kind::Renew, Say::No(refused(reason)));
        assert!(
            within(250, || matches!(view.borrow().stage, Stage::Ended(_))).await,
            "{reason:?}"
        );
        assert!(view.borrow().credentials.is_empty());
        assert_eq!(
            node.broker.closes().len(),
            1,
            "the broker hears it all the same"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn through_an_outage_a_token_serves_its_time_and_the_next_comes_when_it_is_over() {
    let node = Node::start();
    let (_, view) = node.opened().await;
    node.broker.always(Kind::Renew, Say::No(away()));
    pass(TTL.saturating_sub(seconds(2))).await;
    assert!(has_token(&view));
    pass(seconds(4)).await;
    assert!(
        !has_token(&view),
        "nothing that is worth nothing is handed out"
    );
    pass(seconds(3600)).await;
    assert_eq!(view.borrow().stage, Stage::Open);
    node.broker.always(Kind::Renew, Say::Yes);
    assert!(within(6, || has_token(&view)).await);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_never_answered_holds_up_no_other() {
    let node = Node::start();
    let (_, hung) = node.opened().await;
    let (_, fine) = node.opened().await;
    node.broker.next(Kind::Renew, [Say::Nothing]);
    pass(TTL.saturating_sub(seconds(10))).await;
    let generations = [generation(&hung), generation(&fine)];
    assert!(
        generations.contains(&1) && generations.contains(&2),
        "{generations:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_renews_at_once_what_is_due() {
    let node = Node::start();
    let (_, view) = node.opened().await;
    node.clock.sleep(TTL.mul_f64(0.8));
    assert!(within(1, || generation(&view) == 2).await);
    assert!(has_token(&view));
    node.clock.sleep(seconds(3600));
    pass(Duration::from_millis(1)).await;
    assert!(within(1, || generation(&view) == 3).await);
}

#[tokio::test(start_paused = true)]
async fn what_lasts_as_long_as_its_job_is_not_renewed_and_ends_with_it() {
    let node = Node::start();
    node.broker.job_ends_in(TTL);
    let (_, view) = node.opened().await;
    pass(TTL.saturating_sub(seconds(1))).await;
    assert!(has_token(&view) && node.broker.renews().is_empty());
    pass(seconds(2)).await;
    assert!(matches!(
        view.borrow().stage,
        Stage::Closing(_) | Stage::Ended(_)
    ));
    assert_eq!(node.broker.closes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn renewing_by_hand_renews_now() {
    let node = Node::start();
    let (id, view) = node.opened().await;
    assert_eq!(
        node.jobs.renew_now(id, OTHER).await.unwrap_err(),
        JobError::Unknown
    );
    node.jobs.renew_now(id, UID).await.unwrap();
    assert!(within(1, || generation(&view) == 2).await);
}
