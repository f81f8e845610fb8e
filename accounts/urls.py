from django.urls import path

from accounts import views

app_name = "accounts"
urlpatterns = [
    path("accounts/sign-in/", views.SignIn.as_view(), name="sign-in"),
    path("accounts/stay/", views.stay, name="stay"),
    path("accounts/sign-out/", views.sign_out, name="sign-out"),
    path("me/", views.me, name="me"),
    path("me/theme/", views.theme, name="theme"),
    path("me/language/", views.language, name="language"),
]
