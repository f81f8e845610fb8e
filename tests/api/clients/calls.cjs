// Send, schedule, move, delete and read with braze-api, and print what it returns or rejects with.
// Arguments: address, key, campaign, segment, subscription group, time.
const { createRequire } = require("node:module");
const { Braze } = createRequire(`${process.cwd()}/`)("braze-api");

const [address, key, campaign, segment, group, time] = process.argv.slice(2);
const braze = new Braze(address, key);
const email = {
  app_id: "shop",
  from: "Shop <hello@shop.test>",
  subject: "Sent by Node",
  body: "<p>Hello {{ profile.first_name }}</p>",
};
const refused = (call) => call.then(
  () => { throw new Error("It was not refused."); },
  (error) => ({ message: error.message, status: error.status, errors: error.errors }),
);

async function main() {
  const found = {};
  found.sendId = await braze.sends.id.create({ campaign_id: campaign, send_id: "autumn" });
  found.triggered = await braze.campaigns.trigger.send({
    campaign_id: campaign,
    send_id: "autumn",
    trigger_properties: { number: 10 },
    recipients: [{ external_user_id: "node-1" }],
  });
  found.broadcast = await braze.campaigns.trigger.send({
    campaign_id: campaign,
    trigger_properties: { number: 11 },
    broadcast: true,
    audience: { AND: [{ custom_attribute: { custom_attribute_name: "tier", comparison: "equals", value: "gold" } }] },
  });
  found.transactional = await braze.transactional.v1.campaigns.send(campaign, {
    external_send_id: "receipt-1",
    trigger_properties: { number: 12 },
    recipient: { external_user_id: "node-2" },
  });
  found.message = await braze.messages.send({ external_user_ids: ["node-3"], messages: { email } });
  found.later = await braze.messages.schedule.create({
    segment_id: segment,
    broadcast: true,
    schedule: { time },
    messages: { email: { ...email, subject: "{{ profile.first_name }}, later", body: `${email.body}<p><a href="{{ unsubscribe_url }}">Unsubscribe</a> {{ postal_address }}</p>` } },
  });
  found.dropped = await braze.campaigns.trigger.schedule.create({
    campaign_id: campaign,
    recipients: [{ external_user_id: "node-4" }],
    schedule: { time },
  });
  const schedule_id = found.dropped.schedule_id;
  found.moved = await braze.campaigns.trigger.schedule.update({ campaign_id: campaign, schedule_id, schedule: { time } });
  found.deleted = await braze.campaigns.trigger.schedule.delete({ campaign_id: campaign, schedule_id });
  found.upcoming = await braze.messages.scheduled_broadcasts({ end_time: time });
  found.campaigns = await braze.campaigns.list({ page: 0, include_archived: false, sort_direction: "desc" });
  found.details = await braze.campaigns.details({ campaign_id: campaign });
  found.segments = await braze.segments.list();
  found.segment = await braze.segments.details({ segment_id: segment });
  found.subscribed = await braze.v2.subscription.status.set({
    subscription_groups: [{ subscription_group_id: group, subscription_state: "unsubscribed", external_ids: ["node-4"] }],
  });
  found.status = await braze.subscription.status.get({ subscription_group_id: group, external_id: ["node-3", "node-4"] });
  found.refused = await refused(braze.messages.send({ external_user_ids: ["node-3"], messages: {} }));
  found.elsewhere = await refused(braze.email.blacklist({ email: "a@example.test" }));
  found.wrongKey = await refused(new Braze(address, "wrong").campaigns.list());
  console.log(JSON.stringify(found));
}

main();
